//! Topics that are synced and topics that are not, in one log.

mod common;

use common::*;
use sluice_log::sim::SimDisk;
use sluice_log::{Durability, LogOptions, LogPart};

fn part(number: u8, value: &str) -> LogPart {
    LogPart { topic: topic(number), partition: 0, records: batch(1, &[("k".into(), Some(value.to_owned()))]) }
}

/// Nothing that was unsynced survives.
fn power_cut(disk: &SimDisk) -> SimDisk {
    disk.after_crash(disk.events(), || false)
}

fn values(disk: &SimDisk, number: u8) -> Vec<String> {
    let (log, _) = open(disk);
    read(&log, topic(number), 0).0.into_iter().filter_map(|(_, _, value)| value).collect()
}

#[test]
fn an_append_to_a_synced_topic_takes_the_unsynced_ones_before_it_to_the_disk() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk);
    create(&log, 1, 1, &[("durability", "os")]);
    create(&log, 2, 1, &[]);
    append(&log, &[part(1, "before")]).expect("there is room");
    append(&log, &[part(2, "synced")]).expect("there is room");
    append(&log, &[part(1, "after")]).expect("there is room");
    let cut = power_cut(&disk);
    assert_eq!((values(&cut, 1), values(&cut, 2)), (vec!["before".to_owned()], vec!["synced".to_owned()]));
}

#[test]
fn offsets_of_a_topic_without_syncs_are_never_given_out_twice_and_those_of_synced_topics_have_no_gap() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk);
    create(&log, 1, 1, &[("durability", "os")]);
    create(&log, 2, 1, &[]);
    append(&log, &[part(2, "synced")]).expect("there is room");
    let lost = append(&log, &[part(1, "lost")]).expect("there is room")[0];
    let cut = power_cut(&disk);
    let (log, _) = open(&cut);
    let next = append(&log, &[part(1, "next")]).expect("there is room")[0];
    assert!(next > lost, "{next} was given out before, or {lost} was");
    assert_eq!(append(&log, &[part(2, "next")]).expect("there is room")[0], 1);
}

#[test]
fn an_append_over_both_kinds_of_topics_is_synced() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk);
    create(&log, 1, 1, &[("durability", "os")]);
    create(&log, 2, 1, &[]);
    append(&log, &[part(1, "both"), part(2, "both")]).expect("there is room");
    let cut = power_cut(&disk);
    assert_eq!((values(&cut, 1), values(&cut, 2)), (vec!["both".to_owned()], vec!["both".to_owned()]));
}

#[test]
fn a_topic_can_ask_for_syncs_in_a_log_that_does_without() {
    for setting in [("durability", "fsync"), ("flush.messages", "1")] {
        let disk = SimDisk::new();
        let unsynced = || LogOptions { durability: Durability::Os, ..options() };
        let (log, _) = open_with(&disk, unsynced(), TestClock::default()).expect("it opens");
        create(&log, 1, 1, &[setting]);
        create(&log, 2, 1, &[]);
        append(&log, &[part(1, "synced")]).expect("there is room");
        append(&log, &[part(2, "not")]).expect("there is room");
        let cut = power_cut(&disk);
        assert_eq!((values(&cut, 1), values(&cut, 2)), (vec!["synced".to_owned()], vec![]));
    }
}
