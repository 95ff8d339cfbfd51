//! Seeded damage to a data directory with transactions, compaction and snapshots: flipped bits, cut and zeroed files,
//! files that are missing, doubled, swapped or foreign. It is noticed, the neighbours are served, and nothing is
//! delivered that was not written there.

mod common;

use common::*;
use sluice_log::sim::SimDisk;
use sluice_log::{AbortedIndex, Log, LogPart, LogReadError, OpenError, RecoveryReport, Storage};
use sluice_protocol::{RecordBatchRef, batches, end_transaction_marker, in_transaction};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

type Place = (u8, i32);

/// Keeps everything; keeps the last of each key; transactions, of which some are aborted and one stays open.
const PLACES: [Place; 4] = [(1, 0), (1, 1), (2, 0), (3, 0)];

/// From here on each key of topic 2 stands once.
const LATEST_FROM: i64 = 33;
const ADDED: &str = "appended to what was left";

struct Directory {
    disk: SimDisk,
    /// What an unharmed log delivers, by offset.
    values: BTreeMap<Place, BTreeMap<i64, String>>,
    committed: BTreeSet<String>,
    /// Topics whose record lies in one file only, with that file.
    named_in: BTreeMap<u8, BTreeSet<String>>,
}

fn value(place: Place, number: usize) -> String {
    format!("<{}-{}-{number}>{}", place.0, place.1, "y".repeat(number % 5 * 30))
}

fn put(log: &Log, place: Place, number: usize, producer: Option<i64>) {
    let records = batch(1_000, &[(format!("key-{}", number % 7), Some(value(place, number)))]);
    let records = producer.map_or(records.clone(), |id| in_transaction(&records, id, 0));
    append(log, &[LogPart { topic: topic(place.0), partition: place.1, records }]).expect("there is room");
}

impl Directory {
    fn new() -> Self {
        let disk = SimDisk::new();
        let (log, _) = open(&disk);
        create(&log, 1, 2, &[("retention.ms", "-1")]);
        create(&log, 2, 1, &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")]);
        create(&log, 3, 1, &[("retention.ms", "-1")]);
        for number in 0..40 {
            PLACES[..3].iter().for_each(|place| put(&log, *place, number, None));
            let producer = number as i64 / 10;
            put(&log, (3, 0), number, Some(producer));
            if number % 10 == 9 && number < 39 {
                let records = end_transaction_marker(1_000, producer, 0, producer != 1);
                append(&log, &[LogPart { topic: topic(3), partition: 0, records }]).expect("there is room");
            }
            if number == 25 {
                log.housekeep();
            }
        }
        log.close();
        let mut directory =
            Self { disk, values: BTreeMap::new(), committed: BTreeSet::new(), named_in: BTreeMap::new() };
        let (log, report) = open(&directory.disk.copy());
        assert!(report.clean);
        for place in PLACES {
            let delivered = deliver(&log, place).0;
            assert!(!delivered.is_empty());
            directory.values.insert(place, delivered);
        }
        directory.committed = committed(&log);
        assert_eq!(directory.committed.len(), 20, "two of four transactions were committed");
        for number in 1..=3 {
            let name = format!("t{number}").into_bytes();
            let holds = |file: &String| contains(&directory.disk.content(file), &name);
            let files = directory.disk.files().into_keys().filter(|file| is_data(file)).filter(holds).collect();
            directory.named_in.insert(number, files);
        }
        directory
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn is_data(name: &str) -> bool {
    name.ends_with(".log") || name.ends_with(".clean")
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8(bytes.unwrap_or_default().to_vec()).expect("text")
}

fn records_of(batch: &RecordBatchRef<'_>) -> Vec<(i64, String)> {
    batch.verify_crc().expect("only whole batches are delivered");
    let records = batch.records().expect("plain").map(|record| record.expect("whole"));
    records.map(|record| (record.offset, text(record.value))).collect()
}

/// What can be read, by offset, and which offsets are answered with an error.
fn deliver(log: &Log, place: Place) -> (BTreeMap<i64, String>, BTreeSet<i64>) {
    let (mut found, mut refused) = (BTreeMap::new(), BTreeSet::new());
    let Ok((mut offset, end)) = log.offsets(topic(place.0), place.1) else { return (found, refused) };
    // What recovery skips is longer than any of these partitions.
    while offset < end.min(200) {
        match log.read(topic(place.0), place.1, offset, 1) {
            Ok(read) => {
                let mut next = offset + 1;
                for batch in batches(&read.records).map(|batch| batch.expect("whole")) {
                    next = batch.last_offset() + 1;
                    if !batch.is_control() {
                        found.extend(records_of(&batch));
                    }
                }
                offset = next;
            }
            Err(LogReadError::Corrupt { .. }) => {
                refused.insert(offset);
                offset += 1;
            }
            Err(error) => panic!("{place:?} at {offset}: {error:?}"),
        }
    }
    (found, refused)
}

/// What one who reads committed records sees of topic 3.
fn committed(log: &Log) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let Ok((mut offset, _)) = log.offsets(topic(3), 0) else { return seen };
    let stable = log.last_stable_offset(topic(3), 0).expect("known").min(200);
    while offset < stable {
        let Ok(read) = log.read_committed(topic(3), 0, offset, 1) else {
            offset += 1;
            continue;
        };
        let aborted = AbortedIndex::new(&read.aborted);
        let mut next = offset + 1;
        for batch in batches(&read.read.records).map(|batch| batch.expect("whole")) {
            next = batch.last_offset() + 1;
            if !batch.is_control() && !aborted.holds(&batch) {
                seen.extend(records_of(&batch).into_iter().map(|(_, value)| value));
            }
        }
        offset = next;
    }
    seen
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Damage {
    Flip,
    Cut,
    Zero,
    Missing,
    /// Another file's bytes under this file's name.
    Replaced,
    /// A copy under a name of the log's that no file has.
    Doubled,
    Foreign,
}

const DAMAGES: [Damage; 10] = [
    Damage::Flip,
    Damage::Flip,
    Damage::Flip,
    Damage::Cut,
    Damage::Cut,
    Damage::Zero,
    Damage::Missing,
    Damage::Replaced,
    Damage::Doubled,
    Damage::Foreign,
];

/// Harms a copy; the name of the file that is harmed.
fn harm(disk: &SimDisk, damage: &Damage, random: &mut Random) -> String {
    let names: Vec<String> = disk.files().into_keys().collect();
    let name = names[random.below(names.len() as u64) as usize].clone();
    let mut bytes = disk.content(&name);
    let at = random.below(bytes.len() as u64) as usize;
    match damage {
        Damage::Flip => {
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << random.below(8);
            }
        }
        Damage::Cut => bytes.truncate(at),
        Damage::Zero => {
            let end = (at + 1 + random.below(600) as usize).min(bytes.len());
            bytes[at..end].fill(0);
        }
        Damage::Missing => {
            disk.remove(&name).expect("it is there");
            return name;
        }
        Damage::Replaced => bytes = disk.content(&names[random.below(names.len() as u64) as usize]),
        Damage::Doubled => {
            let extension = name.rsplit('.').next().filter(|_| is_data(&name)).unwrap_or("log");
            let doubled = format!("{:020}.{extension}", 900 + random.below(50));
            disk.put(&doubled, bytes);
            return doubled;
        }
        Damage::Foreign => {
            let foreign = ["notes.txt", "00000000000000000001.log.bak", "1.log", "orders-0"][random.below(4) as usize];
            disk.put(foreign, bytes);
            return foreign.to_owned();
        }
    }
    disk.put(&name, bytes);
    name
}

/// A harmed copy, looked at.
struct Case<'a> {
    directory: &'a Directory,
    harmed: &'a SimDisk,
    /// The harmed file.
    name: &'a str,
    /// What is said when it fails.
    text: String,
    /// Housekeeping may have compacted what it could.
    cleaned: bool,
}

impl Case<'_> {
    /// Nothing wrong, nothing silently gone, and everything whose bytes lie in files that nobody harmed.
    fn check(&self, log: &Log, report: &RecoveryReport) {
        let Self { directory, harmed, name, text: case, cleaned } = self;
        let names = harmed.files().into_keys().filter(|file| is_data(file) && file != name);
        let others: Vec<Vec<u8>> = names.map(|file| harmed.content(&file)).collect();
        for place in PLACES {
            let (found, refused) = deliver(log, place);
            let nameless = log.offsets(topic(place.0), place.1).is_err();
            if nameless {
                // The only file that said that this topic exists.
                let only = BTreeSet::from([(*name).to_owned()]);
                assert!(
                    directory.named_in[&place.0].is_subset(&only) && !report.clean,
                    "{case}: topic {} is gone",
                    place.0
                );
                continue;
            }
            let wanted = &directory.values[&place];
            // Every later start may have compacted what it could.
            let first_latest = if place.0 == 2 && *cleaned { LATEST_FROM } else { 0 };
            for (offset, value) in &found {
                // A superseded record may show again when the file that replaced it is gone: it was written there.
                let superseded = place.0 == 2 && value.starts_with("<2-0-");
                // What this test appended itself.
                let added = place == (1, 0) && value == ADDED;
                let written = wanted.get(offset) == Some(value) || superseded || added;
                assert!(written, "{case}: {place:?} delivers {value} at {offset}");
            }
            for (offset, value) in wanted.range(first_latest..).filter(|(offset, _)| !found.contains_key(offset)) {
                let noticed = refused.contains(offset) || !report.torn.is_empty();
                assert!(noticed, "{case}: {place:?} silently lost {offset}: {report:?}");
                let intact = others.iter().any(|bytes| contains(bytes, value.as_bytes()));
                assert!(!intact, "{case}: {place:?} does not serve {offset}, whose bytes are unharmed: {report:?}");
            }
        }
        assert!(committed(log).is_subset(&directory.committed), "{case}: what was not committed is delivered");
    }
}

fn one_damage(directory: &Directory, seed: u64) -> (Damage, bool) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    random.next();
    let damage = DAMAGES[random.below(DAMAGES.len() as u64) as usize].clone();
    let harmed = directory.disk.copy();
    let name = harm(&harmed, &damage, &mut random);
    let before = harmed.files();
    let case = format!("seed {seed}: {damage:?} of {name}");
    let unchanged = directory.disk.files().contains_key(&name)
        && before.contains_key(&name)
        && harmed.content(&name) == directory.disk.content(&name);
    let (log, report) = match open_with(&harmed, options(), TestClock::default()) {
        Ok(opened) => opened,
        Err(OpenError::Foreign { name: named }) => {
            assert!(matches!(damage, Damage::Foreign | Damage::Doubled), "{case}");
            assert!(named == name || damage == Damage::Doubled, "{case}: {named} is named");
            assert_eq!(harmed.files(), before, "{case}: it is left untouched");
            return (damage, true);
        }
        Err(error) => panic!("{case}: {error}"),
    };
    assert!(damage != Damage::Foreign, "{case} is not refused");
    let mut look = Case { directory, harmed: &harmed, name: &name, text: case.clone(), cleaned: false };
    look.check(&log, &report);
    // Indexes, snapshots and the list can be made again.
    let noticed = !report.clean || !log.verify().expect("the disk reads").is_empty();
    assert!(noticed || unchanged || !is_data(&name), "{case} went unnoticed");
    log.housekeep();
    append(&log, &[LogPart { topic: topic(1), partition: 0, records: batch(0, &[("k".into(), Some(ADDED.into()))]) }])
        .map(drop)
        .unwrap_or_else(|error| assert!(log.topic("t1").is_none(), "{case}: {error}"));
    look = Case { text: format!("{case}, after housekeeping"), cleaned: true, ..look };
    look.check(&log, &report);
    drop(log);
    let (log, again) = open(&harmed);
    look = Case { text: format!("{case}, at the next start"), ..look };
    look.check(&log, &again);
    (damage, noticed)
}

#[test]
fn every_damage_is_noticed_and_costs_only_what_it_hit() {
    let directory = Directory::new();
    let kinds: Vec<String> = directory.disk.files().into_keys().collect();
    for wanted in [".log", ".clean", ".index", ".snapshot", ".list"] {
        assert!(kinds.iter().any(|name| name.ends_with(wanted)), "{wanted} is among {kinds:?}");
    }
    let damages = budget(400, 10_000) as u64;
    let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut failed = Vec::new();
    for seed in 1..=damages {
        match catch_unwind(AssertUnwindSafe(|| one_damage(&directory, seed))) {
            Ok((damage, noticed)) => {
                let count = counts.entry(format!("{damage:?}")).or_default();
                *count = (count.0 + 1, count.1 + u64::from(noticed));
            }
            Err(_) => failed.push(seed),
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {damages} seeds failed, among them {:?}",
        failed.len(),
        &failed[..failed.len().min(20)]
    );
    println!(
        "{damages} damages from seed 1 on (kind: how many, in how many a data file's loss was reported): {counts:?}"
    );
}
