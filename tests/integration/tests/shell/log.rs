//! `sluice log`: the real command over data directories that a real broker left, sound and damaged.

use crate::support::{Broker, Ran, sluice};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Two topics with records, written by a broker that was then stopped in order.
fn left_by_a_broker() -> (PathBuf, sluice_harness::Scratch) {
    let broker = Broker::start();
    fill(&broker);
    broker.stop()
}

fn fill(broker: &Broker) {
    broker.ok(&["topic", "create", "orders", "-p", "2"]);
    broker.ok(&["topic", "create", "other"]);
    for round in 0..5 {
        let lines: String = (0..20).map(|number| format!("key{number}:order {round}-{number}\n")).collect();
        assert_eq!(broker.run_with(&["produce", "orders", "-K", ":"], &lines).code, 0);
        assert_eq!(broker.run_with(&["produce", "other"], &format!("other {round}\n")).code, 0);
    }
    broker.ok(&["consume", "orders", "-g", "readers", "--from-beginning", "-n", "100"]);
}

fn on(data: &Path, arguments: &[&str]) -> Ran {
    sluice(&[&["log"], arguments, &["--data-dir", data.to_str().unwrap()]].concat())
}

fn json_lines(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn contents(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(data.join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

fn first_log_file(data: &Path) -> PathBuf {
    contents(data)
        .into_iter()
        .map(|(path, _)| path)
        .find(|path| path.extension().is_some_and(|it| it == "log"))
        .unwrap()
}

fn flip(path: &Path, position: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[usize::try_from(position).unwrap()] ^= 4;
    fs::write(path, bytes).unwrap();
}

#[test]
fn nothing_is_looked_at_while_a_broker_runs() {
    let broker = Broker::start();
    for arguments in [&["dump"][..], &["verify"], &["repair", "--dry-run"], &["repair", "--execute"]] {
        let ran = on(&broker.data(), arguments);
        assert_eq!(ran.code, 11, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("is in use by process"), "{}", ran.stderr);
    }
    broker.ok(&["topic", "create", "still-there"]);
}

#[test]
fn a_folder_that_is_no_data_directory_is_refused_and_left_alone() {
    let scratch = sluice_harness::Scratch::new().unwrap();
    let ran = on(scratch.root(), &["verify"]);
    assert_eq!(ran.code, 11);
    assert!(ran.stderr.contains("is no data directory"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(scratch.root()).unwrap().count(), 0);
}

#[test]
fn a_sound_log_is_verified_and_dumped_and_stays_as_it_is() {
    let (data, _scratch) = left_by_a_broker();
    let before = contents(&data);
    let verified = on(&data, &["verify"]);
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    assert!(verified.stdout.contains("everything is as it was written"), "{}", verified.stdout);
    let planned = on(&data, &["repair", "--dry-run"]);
    assert_eq!(planned.code, 0, "{}", planned.stderr);

    let files = json_lines(&on(&data, &["dump", "--output", "json"]));
    assert!(!files.is_empty() && files.iter().all(|line| line["file"].is_string()), "{files:?}");
    let dumped = json_lines(&on(&data, &["dump", "-t", "orders", "--records", "--output", "json"]));
    let mut values: Vec<&str> = dumped.iter().filter_map(|line| line["value"].as_str()).collect();
    values.sort_unstable();
    assert_eq!(values.len(), 100);
    assert!(values.contains(&"order 3-7"));
    assert!(dumped.iter().any(|line| line["topic"] == "orders" && line["partition"] == 1));
    let few = on(&data, &["dump", "-t", "other", "--offset", "3", "--records", "-n", "1"]);
    assert!(few.stdout.contains("other 3") && !few.stdout.contains("other 4"), "{}", few.stdout);
    assert!(contents(&data) == before, "looking changed a file");
}

#[test]
fn a_flipped_bit_is_named_with_its_place_and_the_records_it_takes() {
    let (data, _scratch) = left_by_a_broker();
    let dumped = json_lines(&on(&data, &["dump", "-t", "orders", "-p", "0", "--output", "json"]));
    let block = dumped.iter().find(|line| line["block"].is_number()).unwrap();
    let file = data.join("log").join(block["file"].as_str().unwrap());
    flip(&file, block["block"].as_u64().unwrap() + 120);
    let verified = on(&data, &["verify", "--output", "json"]);
    assert_eq!(verified.code, 1, "{}", verified.stdout);
    let report: Value = serde_json::from_str(&verified.stdout).unwrap();
    let problem = &report["problems"][0];
    assert_eq!(problem["severity"], "damage");
    assert!(problem["place"].as_str().unwrap().contains(block["file"].as_str().unwrap()), "{problem}");
    let expected = json!([{
        "topic": "orders",
        "partition": 0,
        "base_offset": block["base_offset"],
        "end_offset": block["end_offset"],
    }]);
    assert_eq!(problem["affected"], expected);
    let told = on(&data, &["verify"]);
    assert!(told.stdout.contains("orders-0 offsets"), "{}", told.stdout);
    assert!(told.stderr.contains("sluice log repair --dry-run"), "{}", told.stderr);
}

#[test]
fn damaged_commits_of_groups_are_found_too() {
    let (data, _scratch) = left_by_a_broker();
    let dumped = json_lines(&on(&data, &["dump", "-t", "__consumer_offsets", "--output", "json"]));
    let block = dumped.iter().find(|line| line["block"].is_number()).unwrap();
    flip(&data.join("log").join(block["file"].as_str().unwrap()), block["block"].as_u64().unwrap() + 108);
    let verified = on(&data, &["verify"]);
    assert_eq!(verified.code, 1);
    assert!(verified.stdout.contains("__consumer_offsets-0 offsets"), "{}", verified.stdout);
}

#[test]
fn what_a_kill_tore_is_cut_by_a_repair_that_keeps_copies_and_the_broker_goes_on() {
    let broker = Broker::start();
    fill(&broker);
    let (data, _scratch) = broker.kill();
    let tail = first_log_file(&data);
    let whole = fs::read(&tail).unwrap();
    let torn = [&whole[..], &whole[..70]].concat();
    fs::write(&tail, &torn).unwrap();
    let verified = on(&data, &["verify"]);
    assert_eq!(verified.code, 0, "a torn tail is no damage: {}", verified.stdout);
    assert!(verified.stdout.contains("torn: "), "{}", verified.stdout);
    let before = contents(&data);
    let planned = on(&data, &["repair", "--dry-run"]);
    let cut = format!("cut from {} to {} bytes", torn.len(), whole.len());
    assert!(planned.stdout.contains(&cut) && planned.stdout.contains("nothing was changed"), "{}", planned.stdout);
    assert!(contents(&data) == before);
    assert_eq!(on(&data, &["repair"]).code, 2, "nothing is done without being told to");

    let repaired = on(&data, &["repair", "--execute"]);
    assert_eq!(repaired.code, 0, "{}", repaired.stderr);
    let copies = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path());
    let copies = copies.into_iter().find(|path| path.display().to_string().contains("before-repair-")).unwrap();
    assert_eq!(fs::read(copies.join(tail.file_name().unwrap())).unwrap(), torn);
    let verified = on(&data, &["verify"]);
    assert!(verified.stdout.contains("everything is as it was written"), "{}", verified.stdout);

    let again = Broker::on(&data);
    let read = again.ok(&["consume", "orders", "--from-beginning", "-e"]);
    assert_eq!(read.stdout.lines().count(), 100);
    assert_eq!(again.run_with(&["produce", "other"], "and on\n").code, 0);
}
