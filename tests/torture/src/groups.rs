//! Groups that consume and commit, members that leave and return, and an auditor that compares what is committed with what
//! their members were told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::message::Message;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use sluice_harness::Random;

use crate::account::{Account, PLAIN, Place, TRANSFERS, count, place_of, places};
use crate::clients::consumer_config;
use crate::record::Record;
use crate::run::Load;

/// A group of the load.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    pub name: &'static str,
    pub topics: &'static [(&'static str, i32)],
    strategy: &'static str,
    /// Each: whether it is static, and whether it leaves and returns.
    members: &'static [Member],
}

impl Group {
    /// In a cooperative rebalance librdkafka (2.12) sometimes hands out a partition's last record once more, and nothing else: it pauses
    /// the partitions that stay and goes on where the application was, which may be one record behind what it just took. It does so with
    /// Apache Kafka too (see the tests' page), so one such record says nothing about the broker.
    fn is_cooperative(&self) -> bool {
        self.strategy == "cooperative-sticky"
    }
}

#[derive(Debug, Clone, Copy)]
struct Member {
    instance: Option<&'static str>,
    restless: bool,
}

const STAYS: Member = Member { instance: None, restless: false };
const RESTLESS: Member = Member { instance: None, restless: true };
const STATIC: Member = Member { instance: Some("returning"), restless: true };

pub const GROUPS: [Group; 3] = [
    Group { name: "eager", topics: &PLAIN, strategy: "range", members: &[STAYS, STATIC] },
    Group { name: "cooperative", topics: &PLAIN, strategy: "cooperative-sticky", members: &[STAYS, RESTLESS] },
    Group { name: "committed", topics: &TRANSFERS, strategy: "roundrobin", members: &[STAYS, RESTLESS] },
];

const COMMIT_EVERY: Duration = Duration::from_millis(30);
/// The broker is kept up for a leaving member this long at most.
const LEAVE_LIMIT: Duration = Duration::from_secs(1);
/// How long a restless member stays, in ms.
const STAY_MS: (u64, u64) = (1_000, 4_000);

/// What a member knows of its partitions.
#[derive(Default)]
struct Standing {
    positions: BTreeMap<Place, Position>,
    /// To be committed: the offset behind the last record of each partition.
    pending: BTreeMap<Place, i64>,
    /// When it was given its first partitions.
    since: Option<Instant>,
}

struct Position {
    /// What was committed, as far as anybody was told, when the partition was given out.
    floor: i64,
    last: Option<i64>,
    since: Instant,
    /// Records since then.
    received: u64,
}

struct MemberContext {
    account: Arc<Account>,
    group: Group,
    standing: Mutex<Standing>,
}

impl ClientContext for MemberContext {}

impl ConsumerContext for MemberContext {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let mut standing = self.standing.lock().expect("no holder panics");
        match rebalance {
            Rebalance::Assign(list) => {
                count(&self.account.counted.assignments);
                standing.since.get_or_insert_with(Instant::now);
                for place in places_in(list) {
                    let floor = self.account.committed_at_least(self.group.name, place);
                    standing
                        .positions
                        .insert(place, Position { floor, last: None, since: Instant::now(), received: 0 });
                }
            }
            Rebalance::Revoke(list) => {
                for place in places_in(list) {
                    standing.positions.remove(&place);
                    standing.pending.remove(&place);
                }
            }
            Rebalance::Error(_) => {}
        }
    }
}

fn places_in(list: &TopicPartitionList) -> Vec<Place> {
    list.elements().iter().filter_map(|element| place_of(element.topic(), element.partition())).collect()
}

impl MemberContext {
    fn received(&self, place: Place, offset: i64, value: Option<&[u8]>) {
        let group = self.group.name;
        let Some(record) = Record::read(value.unwrap_or_default()) else {
            return self
                .account
                .violation(format!("group {group} received bytes at {offset} of {place:?} that nobody wrote"));
        };
        {
            let mut standing = self.standing.lock().expect("no holder panics");
            let Some(position) = standing.positions.get_mut(&place) else { return };
            if self.group.is_cooperative() && position.last == Some(offset) {
                return count(&self.account.counted.repeated);
            }
            let at_least = position.last.map_or(position.floor, |last| last + 1);
            if offset < at_least {
                self.account.violation(format!(
                    "group {group} received {offset} of {place:?}, {} records and {:?} after it was given out: {}",
                    position.received,
                    position.since.elapsed(),
                    match position.last {
                        Some(last) => format!("the record before was {last}"),
                        None => format!("{} was committed before it was given out", position.floor),
                    }
                ));
            }
            position.last = Some(offset);
            position.received += 1;
            standing.pending.insert(place, offset + 1);
        }
        if record.parts == 1 {
            self.account.seen(group, place, record);
        } else {
            self.account.seen_part(group, place, record);
        }
    }

    fn since(&self) -> Option<Instant> {
        self.standing.lock().expect("no holder panics").since
    }

    /// Waits for the answer, so that a repeated commit cannot overtake its successor. (This client has no callback for others.)
    fn commit(&self, consumer: &BaseConsumer<Self>) {
        let pending = std::mem::take(&mut self.standing.lock().expect("no holder panics").pending);
        if pending.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::new();
        for (place, offset) in &pending {
            list.add_partition_offset(place.0, place.1, Offset::Offset(*offset)).expect("an offset of a record");
        }
        if consumer.commit(&list, CommitMode::Sync).is_ok() {
            for (place, offset) in pending {
                self.account.commit_acknowledged(self.group.name, place, offset);
            }
        }
    }
}

/// The threads of a group.
pub fn members(group: Group) -> impl Iterator<Item = usize> {
    0..group.members.len()
}

/// Consumes until the groups are told to end; a restless one leaves and comes back meanwhile.
pub fn consume(load: &Load, group: Group, index: usize) -> Result<()> {
    let member = group.members[index];
    let mut random = Random::new(load.seed ^ ((index as u64 + 1) << 16) ^ group.name.len() as u64);
    while !load.groups_are_over() {
        let mut config = consumer_config(&load.address, group.name);
        config.set("partition.assignment.strategy", group.strategy);
        if let Some(instance) = member.instance {
            config.set("group.instance.id", instance);
        }
        let context = MemberContext { account: load.account.clone(), group, standing: Mutex::default() };
        let consumer: BaseConsumer<MemberContext> =
            BaseConsumer::from_config_and_context(&config, context).context("cannot make a consumer")?;
        let topics: Vec<&str> = group.topics.iter().map(|(name, _)| *name).collect();
        consumer.subscribe(&topics)?;
        let stay = Duration::from_millis(STAY_MS.0 + random.below(STAY_MS.1 - STAY_MS.0));
        let mut committed = Instant::now();
        // From its first partitions on: members that come and go while an empty group waits for more would keep it waiting, as
        // Kafka does. In the end it stays until all is read.
        let has_stayed = || consumer.context().since().is_some_and(|since| since.elapsed() > stay);
        let goes = || member.restless && has_stayed() && !load.is_over();
        while !load.groups_are_over() && !goes() {
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(10))
                && let Some(place) = place_of(message.topic(), message.partition())
            {
                consumer.context().received(place, message.offset(), message.payload());
            }
            if committed.elapsed() > COMMIT_EVERY {
                consumer.context().commit(&consumer);
                committed = Instant::now();
            }
        }
        leave(load, consumer);
    }
    Ok(())
}

/// A leave that the broker never hears keeps the group waiting for the session's six seconds, and every restart begins them anew; so the
/// broker is up while one leaves. How long the client then takes to close is its own matter.
fn leave(load: &Load, consumer: BaseConsumer<MemberContext>) {
    let up = load.broker_is_up();
    let _ = consumer.committed(Duration::from_secs(2));
    consumer.unsubscribe();
    let begin = Instant::now();
    let has_partitions = || consumer.assignment().is_ok_and(|list| list.count() > 0);
    while has_partitions() && begin.elapsed() < LEAVE_LIMIT {
        consumer.poll(Duration::from_millis(10));
    }
    consumer.poll(Duration::from_millis(10));
    drop(up);
    std::thread::spawn(move || drop(consumer));
}

/// Compares what is committed with what was acknowledged, again and again.
pub fn audit(load: &Load) -> Result<()> {
    let consumers: Vec<(Group, BaseConsumer)> = GROUPS
        .iter()
        .map(|group| Ok((*group, consumer_config(&load.address, group.name).create()?)))
        .collect::<Result<_>>()?;
    while !load.groups_are_over() {
        for (group, consumer) in &consumers {
            compare(&load.account, *group, consumer, Duration::from_secs(2));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Whether the offsets could be read.
fn compare(account: &Account, group: Group, consumer: &BaseConsumer, limit: Duration) -> bool {
    let floors: Vec<(Place, i64)> =
        places(group.topics).map(|place| (place, account.committed_at_least(group.name, place))).collect();
    let mut wanted = TopicPartitionList::new();
    for place in places(group.topics) {
        wanted.add_partition(place.0, place.1);
    }
    let Ok(stored) = consumer.committed_offsets(wanted, limit) else { return false };
    for (place, floor) in floors {
        let offset = stored.find_partition(place.0, place.1).and_then(|it| it.offset().to_raw()).unwrap_or(-1);
        if offset.max(0) < floor {
            account
                .violation(format!("group {} stands at {offset} in {place:?}, {floor} was acknowledged", group.name));
        }
    }
    count(&account.counted.audits);
    true
}
