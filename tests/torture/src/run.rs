//! A run: the load, the deaths of the broker under it, and the comparison at the end.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sluice_harness::{Random, Scratch};

use crate::account::{Account, Ended, Figures, PLAIN, STATE, TRANSFERS};
use crate::broker::Broker;
use crate::read_back::Sent;
use crate::record::Record;
use crate::{chores, groups, producers, read_back, transactions};

const PRODUCERS: u32 = 4;
/// Each with the group whose offsets it commits.
const TRANSACTORS: [(u32, &str); 2] = [(100, "transfers-a"), (101, "transfers-b")];
/// Between two deaths, and after the last: every group goes on within this time.
const MOVE_LIMIT: Duration = Duration::from_secs(60);
/// After so many deaths it is awaited that every group goes on.
const AWAIT_EVERY: u64 = 100;
/// How long a process lives, in ms: one in five ends at its start.
const LIFE_MS: (u64, u64) = (40, 400);
const SHORT_LIFE_MS: u64 = 60;
const DEATH_LIMIT: Duration = Duration::from_secs(180);

/// What is done to the broker.
#[derive(Debug, Clone)]
pub enum Ending {
    /// SIGKILL at this many random moments.
    Killed(u64),
    /// It ends itself at each of these fail points, in turn: `name:nth`.
    AtFailPoints(Vec<String>),
}

/// A run that can be repeated: the seed chooses moments, places and sizes; the machine's timing does the rest.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub ending: Ending,
    /// The longest value.
    pub value_bytes_max: usize,
}

/// What happened, when nothing was lost.
#[derive(Debug, Clone)]
pub struct Report {
    pub seed: u64,
    pub deaths: u64,
    pub took: Duration,
    pub figures: Figures,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} deaths in {:.0} s, seed {}: {}; 0 lost, 0 reordered, 0 duplicated, 0 half transactions, 0 commits gone back",
            self.deaths,
            self.took.as_secs_f64(),
            self.seed,
            self.figures
        )
    }
}

/// What the threads of the load share.
pub struct Load {
    pub address: String,
    pub seed: u64,
    pub account: Arc<Account>,
    /// Records at once of a producer, at most.
    pub burst_max: u64,
    /// Bytes behind a record's head, at most.
    pub filler_max: usize,
    over: AtomicBool,
    groups_over: AtomicBool,
    /// Held while the process is replaced.
    away: Mutex<()>,
    failures: Mutex<Vec<String>>,
}

impl Load {
    /// Producers settle what they sent, and end.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub fn groups_are_over(&self) -> bool {
        self.groups_over.load(Ordering::Relaxed)
    }

    /// The broker is not killed while this is held.
    pub fn broker_is_up(&self) -> MutexGuard<'_, ()> {
        self.away.lock().expect("no holder panics")
    }

    fn settle<T>(&self, who: &str, outcome: Result<T>) -> Option<T> {
        outcome.map_err(|error| self.failures.lock().expect("no holder panics").push(format!("{who}: {error:#}"))).ok()
    }

    /// What went wrong so far, in the threads or against the account.
    fn refuse_failures(&self) -> Result<()> {
        let mut all = self.failures.lock().expect("no holder panics").clone();
        all.extend(self.account.violations());
        if all.is_empty() { Ok(()) } else { bail!("{} violations:\n{}", all.len(), all.join("\n")) }
    }

    /// Waits until every group has received something more.
    fn until_groups_move(&self) -> Result<()> {
        let before: Vec<u64> = groups::GROUPS.iter().map(|group| self.account.received_by(group.name)).collect();
        let begin = Instant::now();
        loop {
            self.refuse_failures()?;
            let stuck: Vec<&str> = groups::GROUPS
                .iter()
                .zip(&before)
                .filter(|(group, before)| self.account.received_by(group.name) == **before)
                .map(|(group, _)| group.name)
                .collect();
            if stuck.is_empty() {
                return Ok(());
            }
            if begin.elapsed() > MOVE_LIMIT {
                bail!("the broker is up, and for {MOVE_LIMIT:?} nothing came to {}", stuck.join(", "));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Runs the plan in the folder.
///
/// # Errors
/// Everything that was lost, reordered, duplicated or half, and what kept the run from its end.
pub fn torture(plan: &Plan, scratch: &Scratch) -> Result<Report> {
    let begin = Instant::now();
    let mut broker = Broker::in_folder(scratch)?;
    broker.start()?;
    broker.until_listening()?;
    chores::create_topics(broker.address())?;
    let load = Load {
        address: broker.address().to_owned(),
        seed: plan.seed,
        account: Arc::default(),
        burst_max: 12,
        filler_max: plan.value_bytes_max,
        over: AtomicBool::new(false),
        groups_over: AtomicBool::new(false),
        away: Mutex::default(),
        failures: Mutex::default(),
    };
    let (deaths, sent) = thread::scope(|scope| {
        let load = &load;
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|writer| {
                scope.spawn(move || {
                    let sent = load.settle(&format!("producer {writer}"), producers::produce(load, writer));
                    sent.unwrap_or_default().into_iter().map(move |(place, count)| ((writer, place), count))
                })
            })
            .collect();
        let transactors: Vec<_> = TRANSACTORS
            .iter()
            .map(|(writer, group)| {
                scope.spawn(move || load.settle(group, transactions::transact(load, *writer, group)))
            })
            .collect();
        spawn_groups(scope, load);
        let chores = scope.spawn(move || load.settle("chores", chores::run(load)));
        let deaths = load.until_groups_move().and_then(|()| let_die(plan, load, &mut broker));
        if let Err(error) = &deaths {
            eprintln!("{error:#}; {}", load.account.figures());
            // So that the others can come to their end.
            let _ = broker.start();
        }
        let died = begin.elapsed();
        load.over.store(true, Ordering::Relaxed);
        let sent: Sent =
            producers.into_iter().flat_map(|thread| thread.join().expect("a producer does not panic")).collect();
        transactors.into_iter().chain([chores]).for_each(|thread| drop(thread.join()));
        if deaths.is_ok() {
            until_all_is_read(load, &sent);
        }
        eprintln!(
            "the last death at {:.1} s, all settled at {:.1} s",
            died.as_secs_f64(),
            begin.elapsed().as_secs_f64()
        );
        load.groups_over.store(true, Ordering::Relaxed);
        (deaths, sent)
    });
    load.refuse_failures()?;
    let deaths = deaths?;
    read_back::compare(broker.address(), &load.account, &sent)?;
    load.refuse_failures()?;
    broker.kill()?;
    Ok(Report { seed: plan.seed, deaths, took: begin.elapsed(), figures: load.account.figures() })
}

/// The members of all groups, and who audits them.
fn spawn_groups<'s>(scope: &'s thread::Scope<'s, '_>, load: &'s Load) {
    for group in groups::GROUPS {
        for index in groups::members(group) {
            scope.spawn(move || load.settle(group.name, groups::consume(load, group, index)));
        }
    }
    scope.spawn(move || load.settle("auditor", groups::audit(load)));
}

/// Answers how often it died; afterwards it runs.
fn let_die(plan: &Plan, load: &Load, broker: &mut Broker) -> Result<u64> {
    match &plan.ending {
        Ending::Killed(kills) => kill(*kills, plan.seed, load, broker),
        Ending::AtFailPoints(points) => die_at(points, load, broker),
    }
}

fn kill(kills: u64, seed: u64, load: &Load, broker: &mut Broker) -> Result<u64> {
    let mut random = Random::new(seed);
    for number in 1..=kills {
        let life_ms = match random.below(5) {
            0 => random.below(SHORT_LIFE_MS),
            _ => LIFE_MS.0 + random.below(LIFE_MS.1 - LIFE_MS.0),
        };
        thread::sleep(Duration::from_millis(life_ms));
        if number % AWAIT_EVERY == 0 {
            load.until_groups_move().with_context(|| format!("after {} kills", number - 1))?;
        }
        load.refuse_failures()?;
        if number % 100 == 0 {
            eprintln!("{number} kills: {}", load.account.figures());
        }
        let _away = load.broker_is_up();
        broker.kill()?;
        broker.start()?;
    }
    Ok(kills)
}

fn die_at(points: &[String], load: &Load, broker: &mut Broker) -> Result<u64> {
    for point in points {
        {
            let _away = load.broker_is_up();
            broker.kill()?;
            broker.start_to_die_at(point)?;
        }
        let begin = Instant::now();
        while !broker.has_died()? {
            load.refuse_failures()?;
            if begin.elapsed() > DEATH_LIMIT {
                bail!("the broker did not come to {point} within {DEATH_LIMIT:?}");
            }
            thread::sleep(Duration::from_millis(5));
        }
        broker.start()?;
        load.until_groups_move().with_context(|| format!("after {point}"))?;
    }
    Ok(points.len() as u64)
}

/// Every group receives what is there; what never comes is a violation.
fn until_all_is_read(load: &Load, sent: &Sent) {
    let account = &load.account;
    let committed = parts_of(account, &Ended::Committed);
    let begin = Instant::now();
    let missing = || -> Option<String> {
        for group in groups::GROUPS.iter().filter(|group| group.topics == PLAIN) {
            for ((writer, place), count) in sent.iter().filter(|((_, place), _)| *place != STATE) {
                let seen = account.seen_up_to(group.name, *place, *writer);
                if seen < *count {
                    return Some(format!(
                        "{count} of producer {writer} are in {place:?}, group {} saw {seen}",
                        group.name
                    ));
                }
            }
        }
        for group in groups::GROUPS.iter().filter(|group| group.topics == TRANSFERS) {
            let seen = account.seen_parts(group.name);
            let missing = committed.iter().filter(|part| !seen.contains(part)).count();
            if missing > 0 {
                return Some(format!(
                    "{missing} of {} committed records never came to group {}",
                    committed.len(),
                    group.name
                ));
            }
        }
        None
    };
    while let Some(what) = missing() {
        if begin.elapsed() > MOVE_LIMIT {
            return account.violation(what);
        }
        thread::sleep(Duration::from_millis(50));
    }
    let aborted = parts_of(account, &Ended::Aborted);
    for group in groups::GROUPS.iter().filter(|group| group.topics == TRANSFERS) {
        for part in account.seen_parts(group.name).iter().filter(|part| aborted.contains(part)) {
            account.violation(format!("group {} read {part:?}, which was aborted", group.name));
        }
    }
}

fn parts_of(account: &Account, ended: &Ended) -> BTreeSet<Record> {
    let transactions = account.transactions();
    let chosen = transactions.iter().filter(|(_, transaction)| transaction.ended == *ended);
    chosen
        .flat_map(|((writer, number), transaction)| {
            let parts = transaction.places.len() as u16;
            (0..parts).map(move |part| Record { writer: *writer, number: *number, part, parts })
        })
        .collect()
}
