//! The log beside a model that is a `Vec`: random appends, reads, rolls, housekeeping, restarts and crashes.

mod common;

use common::*;
use proptest::prelude::*;
use sluice_log::LogPart;
use sluice_log::sim::SimDisk;

#[derive(Debug, Clone)]
enum Step {
    Append { partition: i32, records: usize, value_bytes: usize },
    Read { partition: i32, from: prop::sample::Index, bytes_max: usize },
    Roll,
    Housekeep,
    Restart,
    Crash { seed: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..2, 1usize..20, 0usize..400)
            .prop_map(|(partition, records, value_bytes)| Step::Append { partition, records, value_bytes }),
        4 => (0..2, any::<prop::sample::Index>(), 1usize..5000)
            .prop_map(|(partition, from, bytes_max)| Step::Read { partition, from, bytes_max }),
        1 => Just(Step::Roll),
        1 => Just(Step::Housekeep),
        1 => Just(Step::Restart),
        1 => any::<u64>().prop_map(|seed| Step::Crash { seed }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]
    #[test]
    fn the_log_holds_what_a_vec_holds(steps in proptest::collection::vec(step(), 1..60)) {
        let mut disk = SimDisk::new();
        let (mut log, _) = open(&disk);
        create(&log, 1, 2, &[]);
        let mut model: [Vec<Record>; 2] = Default::default();
        // The next offset of each partition: behind the last, or further after a crash that may have lost records.
        let mut next = [0i64; 2];
        for step in steps {
            match step {
                Step::Append { partition, records, value_bytes } => {
                    let held = &mut model[partition as usize];
                    let base = next[partition as usize];
                    let new: Vec<Record> = (0..records as i64)
                        .map(|i| (base + i, format!("k{i}"), Some("v".repeat(value_bytes))))
                        .collect();
                    let pairs: Vec<_> = new.iter().map(|(_, key, value)| (key.clone(), value.clone())).collect();
                    let part = LogPart { topic: topic(1), partition, records: batch(base, &pairs) };
                    prop_assert_eq!(append(&log, &[part]), Ok(vec![base]));
                    held.extend(new);
                    next[partition as usize] += records as i64;
                }
                Step::Read { partition, from, bytes_max } => {
                    let end = next[partition as usize];
                    let from = from.index(end as usize + 1) as i64;
                    let found = log.read(topic(1), partition, from, bytes_max).expect("in range");
                    prop_assert_eq!(found.high_watermark, end);
                    prop_assert_eq!(found.records.is_empty(), from == end);
                    let first = sluice_protocol::batches(&found.records).next();
                    if let Some(first) = first {
                        let first = first.expect("whole");
                        prop_assert!(first.base_offset() <= from && from <= first.last_offset());
                        let more = found.records.len() > first.size_bytes();
                        prop_assert!(!more || found.records.len() <= bytes_max);
                    }
                }
                Step::Roll => log.roll().expect("a new file"),
                Step::Housekeep => log.housekeep(),
                Step::Restart => {
                    drop(log);
                    let (again, report) = open(&disk);
                    prop_assert!(report.clean);
                    log = again;
                }
                Step::Crash { seed } => {
                    let mut random = Random(seed | 1);
                    disk = disk.after_crash(disk.events(), || random.below(2) == 0);
                    let (again, report) = open(&disk);
                    prop_assert!(report.damaged.is_empty());
                    log = again;
                    #[expect(clippy::needless_range_loop, reason = "the partition is a number here, not an index only")]
                    for partition in 0..2 {
                        let end = log.offsets(topic(1), partition as i32).expect("known").1;
                        prop_assert!(end == next[partition] || (end > next[partition] && !report.torn.is_empty()));
                        next[partition] = end;
                    }
                }
            }
        }
        for partition in 0..2 {
            let (found, error) = read(&log, topic(1), partition);
            prop_assert!(error.is_none());
            prop_assert_eq!(&found, &model[partition as usize]);
        }
    }
}

#[test]
fn a_read_that_is_full_leaves_nothing_out() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk);
    create(&log, 1, 1, &[]);
    for value_bytes in [10, 2000, 10] {
        let records = batch(0, &[("k".into(), Some("v".repeat(value_bytes)))]);
        append(&log, &[LogPart { topic: topic(1), partition: 0, records }]).expect("appended");
    }
    let offsets: Vec<_> = read(&log, topic(1), 0).0.iter().map(|record| record.0).collect();
    assert_eq!(offsets, [0, 1, 2]);
}
