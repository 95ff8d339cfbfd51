//! Groups: three members of one client, a static member that comes back, members of several clients.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::client::{LIMIT, Member};
use crate::records::first_timestamp;
use crate::{Client, Record};

const GROUP_PARTITIONS: i64 = 6;
const RECORDS_PER_ROUND: i64 = 10;
/// How long one client is listened to before the next.
const MOMENT: Duration = Duration::from_millis(5);

/// Three members share six partitions; one leaves, two go on; nothing is read twice, and all is committed.
pub fn a_group_of_three_goes_on_after_one_leaves(client: &mut Client, strategy: &str) -> Result<()> {
    let (topic, group) =
        (format!("{}-shared-{strategy}", client.name()), format!("{}-group-{strategy}", client.name()));
    client.create_topic(&topic, GROUP_PARTITIONS as usize)?;
    for member in ["a", "b", "c"] {
        client.call("join", json!({"member": member, "group": group, "topic": topic, "strategy": strategy}))?;
    }
    client.until("three members with two partitions each", |members| is_shared(members, 3))?;
    write_round(client, &topic, 0)?;
    client.until("all of the first round", |members| count(members) >= total(1))?;
    client.call("leave", json!({"member": "b"}))?;
    let left = client.forget("b").context("b was a member")?;
    client.until("two members with three partitions each", |members| is_shared(members, 2))?;
    write_round(client, &topic, 1)?;
    client.until("all of the second round", |members| {
        let mut all = members.clone();
        all.insert("b".to_owned(), left.clone());
        count(&all) >= total(2)
    })?;
    for member in ["a", "c"] {
        client.call("leave", json!({"member": member}))?;
    }
    let members = [Some(left), client.forget("a"), client.forget("c")];
    each_record_came(members.iter().flatten(), client.cannot("deliver-once"))?;
    let answer = client.call("committed", json!({"group": group, "topic": topic, "partitions": GROUP_PARTITIONS}))?;
    for partition in 0..GROUP_PARTITIONS {
        let offset = &answer["offsets"][partition.to_string()];
        ensure!(*offset == json!(2 * RECORDS_PER_ROUND), "partition {partition}: {offset} is committed");
    }
    Ok(())
}

fn write_round(client: &mut Client, topic: &str, round: i64) -> Result<()> {
    for partition in 0..GROUP_PARTITIONS {
        let records: Vec<Value> = (0..RECORDS_PER_ROUND)
            .map(|index| {
                let value = format!("{partition}/{}", round * RECORDS_PER_ROUND + index).into_bytes();
                Record { key: None, value: Some(value), headers: vec![], timestamp: first_timestamp() }.to_json()
            })
            .collect();
        let idempotent = client.is_able("idempotent");
        client.call(
            "produce",
            json!({
                "topic": topic, "partition": partition, "codec": "none", "idempotent": idempotent, "records": records,
            }),
        )?;
    }
    Ok(())
}

fn is_shared(members: &BTreeMap<String, Member>, count: usize) -> bool {
    let all: BTreeSet<i64> = members.values().flat_map(|member| member.assigned.iter().copied()).collect();
    let each = usize::try_from(GROUP_PARTITIONS).unwrap_or_default() / count;
    members.len() == count && all.len() == each * count && members.values().all(|member| member.assigned.len() == each)
}

fn count(members: &BTreeMap<String, Member>) -> i64 {
    let places = members.values().flat_map(|member| &member.records).map(|(partition, offset, _)| (partition, offset));
    places.collect::<BTreeSet<_>>().len() as i64
}

fn total(rounds: i64) -> i64 {
    rounds * GROUP_PARTITIONS * RECORDS_PER_ROUND
}

/// Once; or at least once, where the client fetches across a rebalance what it already has.
fn each_record_came<'a>(members: impl Iterator<Item = &'a Member>, again: bool) -> Result<()> {
    let mut values: BTreeMap<(i64, i64), String> = BTreeMap::new();
    for (partition, offset, value) in members.flat_map(|member| &member.records) {
        if values.insert((*partition, *offset), value.clone()).is_some() && !again {
            bail!("partition {partition}, offset {offset} came twice");
        }
    }
    for ((partition, offset), value) in &values {
        let expected: String = format!("{partition}/{offset}").bytes().map(|byte| format!("{byte:02x}")).collect();
        ensure!(*value == expected, "partition {partition}, offset {offset} holds {value}");
    }
    ensure!(values.len() as i64 == total(2), "{} records instead of {}", values.len(), total(2));
    Ok(())
}

/// A static member that is closed and comes back has its partitions again, and the other is not disturbed.
pub fn a_static_member_that_returns_keeps_its_partitions(client: &mut Client) -> Result<()> {
    let (topic, group) = (format!("{}-static", client.name()), format!("{}-static-group", client.name()));
    client.create_topic(&topic, GROUP_PARTITIONS as usize)?;
    let join = |client: &mut Client, member: &str, instance: &str| {
        client.call(
            "join",
            json!({"member": member, "group": group, "topic": topic, "strategy": "range", "instance": instance}),
        )
    };
    join(client, "one", "instance-1")?;
    join(client, "two", "instance-2")?;
    client.until("two members with three partitions each", |members| is_shared(members, 2))?;
    let (one, two) = (client.members()["one"].assigned.clone(), client.members()["two"].clone());
    client.call("leave", json!({"member": "one"}))?;
    client.forget("one");
    join(client, "again", "instance-1")?;
    client.until("the partitions of the one that came back", |members| {
        members.get("again").is_some_and(|again| again.assigned.len() == one.len())
    })?;
    ensure!(
        client.members()["again"].assigned == one,
        "it had {one:?}, it has {:?}",
        client.members()["again"].assigned
    );
    let now = &client.members()["two"];
    ensure!(now.assigned == two.assigned, "the other has other partitions: {two:?}, {now:?}");
    let is_telling = !client.cannot("one-join-per-round");
    ensure!(!is_telling || now.assignments == two.assignments, "the other was rebalanced: {two:?}, {now:?}");
    for member in ["again", "two"] {
        client.call("leave", json!({"member": member}))?;
        client.forget(member);
    }
    Ok(())
}

/// One member of each client in one group with the range assignor; one after the other leaves, and the others take over.
pub fn a_group_of_several_clients_shares_a_topic(clients: &mut [&mut Client]) -> Result<()> {
    let (topic, group) = ("mixed", "mixed-group");
    let partitions = 2 * clients.len();
    clients[0].create_topic(topic, partitions)?;
    let arguments = json!({"member": "mixed", "group": group, "topic": topic, "strategy": "range"});
    for client in clients.iter_mut() {
        client.call("join", arguments.clone())?;
    }
    until_shared(clients, partitions)?;
    let records: Vec<Value> = (0..RECORDS_PER_ROUND)
        .map(|index| {
            let value = Some(index.to_string().into_bytes());
            Record { key: None, value, headers: vec![], timestamp: first_timestamp() }.to_json()
        })
        .collect();
    for partition in 0..partitions {
        let writer = &mut clients[partition / 2];
        let arguments = json!({
            "topic": topic, "partition": partition, "codec": "none", "idempotent": true, "records": records,
        });
        writer.call("produce", arguments)?;
    }
    let wanted = partitions * usize::try_from(RECORDS_PER_ROUND)?;
    let mut read = BTreeSet::new();
    until_all(clients, "every record", |clients| {
        clients.iter().filter_map(|client| client.members().get("mixed")).map(|it| it.records.len()).sum::<usize>()
            >= wanted
    })?;
    for (partition, offset, _) in clients.iter().flat_map(|client| &client.members()["mixed"].records) {
        ensure!(read.insert((*partition, *offset)), "partition {partition}, offset {offset} came twice");
    }
    for left in 0..clients.len() {
        clients[left].call("leave", json!({"member": "mixed"}))?;
        clients[left].forget("mixed");
        until_shared(&mut clients[left + 1..], partitions)?;
    }
    Ok(())
}

/// All partitions, each at one client.
fn until_shared(clients: &mut [&mut Client], partitions: usize) -> Result<()> {
    if clients.is_empty() {
        return Ok(());
    }
    until_all(clients, "each partition at one of the members", |clients| {
        let members: Vec<&Member> = clients.iter().filter_map(|client| client.members().get("mixed")).collect();
        let all: BTreeSet<i64> = members.iter().flat_map(|member| member.assigned.iter().copied()).collect();
        let sum: usize = members.iter().map(|member| member.assigned.len()).sum();
        members.len() == clients.len() && all.len() == partitions && sum == partitions
    })
}

fn until_all(clients: &mut [&mut Client], what: &str, wanted: impl Fn(&[&mut Client]) -> bool) -> Result<()> {
    let begin = Instant::now();
    while !wanted(clients) {
        if begin.elapsed() > LIMIT {
            let seen: Vec<String> = clients
                .iter()
                .map(|client| format!("{} {:?}", client.name(), client.members().get("mixed").map(|it| &it.assigned)))
                .collect();
            bail!("not within {LIMIT:?}: {what}; {}", seen.join("; "));
        }
        for client in clients.iter_mut() {
            client.listen(MOMENT)?;
        }
    }
    Ok(())
}
