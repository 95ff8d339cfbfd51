//! Topics, groups and records from the shell: the real commands against the real broker, both of them processes.

use crate::support::{self, Broker, Ran};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

fn lines(ran: &Ran) -> Vec<&str> {
    ran.stdout.lines().collect()
}

/// One line of JSON for each record.
fn records(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_produced_is_consumed_with_its_keys_headers_and_nulls() {
    let broker = Broker::start();
    broker.ok(&["topic", "create", "orders", "-p", "1"]);
    let input = "a:1\nb:two:colons\nc:NIL\nNIL:no key\n:\n";
    let produce = ["produce", "orders", "-K", ":", "--null-value", "NIL", "-H", "from=shell", "-H", "from=twice"];
    assert_eq!(broker.run_with(&produce, input).code, 0);
    let format = "%t/%p/%o [%k] [%v] %h %K %S\\n";
    let read = broker.ok(&["consume", "orders", "--from-beginning", "--until-end", "--format", format]);
    let headers = "from=shell,from=twice";
    let expected = [
        format!("orders/0/0 [a] [1] {headers} 1 1"),
        format!("orders/0/1 [b] [two:colons] {headers} 1 10"),
        format!("orders/0/2 [c] [NULL] {headers} 1 -1"),
        format!("orders/0/3 [NULL] [no key] {headers} -1 6"),
        format!("orders/0/4 [] [] {headers} 0 0"),
    ];
    assert_eq!(lines(&read), expected);
    let plain = broker.ok(&["consume", "orders", "--from-beginning", "-n", "2"]);
    assert_eq!(lines(&plain), ["1", "two:colons"]);
}

#[test]
fn json_keeps_every_byte() {
    let broker = Broker::start();
    let every: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
    let input = [&b"text \xc3\xa9\t"[..], b"\n", &every, b"\n"].concat();
    assert_eq!(broker.run_with_bytes(&["produce", "bytes", "-z", "zstd"], &input).code, 0);
    let read = records(&broker.run(&["consume", "bytes", "--offset", "earliest", "-e", "--json"]));
    assert_eq!((&read[0]["value"], read[0].get("value_encoding")), (&json!("text \u{e9}\t"), None));
    assert_eq!(read[0]["key"], Value::Null);
    assert_eq!(read[0]["timestamp_type"], "CreateTime");
    assert_eq!(read[1]["value_encoding"], "base64");
    let raw = broker.run_for_bytes(&["consume", "bytes", "--offset", "1", "-n", "1", "-f", "%v"]);
    assert_eq!(raw, every);
}

#[test]
fn records_are_read_by_partition_by_offset_and_by_time() {
    let broker = Broker::start();
    broker.ok(&["topic", "create", "spread", "-p", "3"]);
    for (partition, text) in [("0", "a0\na1\n"), ("2", "c0\nc1\nc2\n")] {
        assert_eq!(broker.run_with(&["produce", "spread", "-p", partition], text).code, 0);
    }
    let read = broker.ok(&["consume", "spread", "-p", "2", "--offset", "1", "-e"]);
    assert_eq!(lines(&read), ["c1", "c2"]);
    let read = broker.ok(&["consume", "spread", "-p", "0", "-p", "1", "--from-beginning", "-e"]);
    assert_eq!(lines(&read), ["a0", "a1"]);
    let all = records(&broker.run(&["consume", "spread", "--from-beginning", "-e", "--json"]));
    assert_eq!(all.len(), 5);
    let of_c1 = all.iter().find(|record| record["value"] == "c1").unwrap()["timestamp"].as_i64().unwrap();
    let from = format!("@{of_c1}");
    let read = broker.ok(&["consume", "spread", "-p", "2", "--offset", &from, "-e", "--format", "%T %v\\n"]);
    let times: Vec<i64> = lines(&read).iter().map(|line| line.split_once(' ').unwrap().0.parse().unwrap()).collect();
    assert!(!times.is_empty() && times.iter().all(|time| *time >= of_c1), "{times:?}");
    let late = broker.ok(&["consume", "spread", "--offset", "2999-01-01", "--timeout-ms", "300"]);
    assert_eq!(late.stdout, "");

    let wrong = broker.run(&["consume", "spread", "-p", "0", "--offset", "17", "-e"]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.stderr.contains("offset 17 of spread-0 is not there: it holds 0 to 2"), "{}", wrong.stderr);
    let wrong = broker.run(&["consume", "spread", "-p", "7", "-e"]);
    assert_eq!(wrong.code, 4);
    assert!(wrong.stderr.contains("spread has no partition 7; its partitions are 0 to 2"), "{}", wrong.stderr);
}

#[test]
fn a_topic_lives_from_its_creation_to_its_end() {
    let broker = Broker::start();
    broker.ok(&["topic", "create", "life", "-p", "2", "-c", "retention.ms=1000", "--replication-factor", "1"]);
    assert_eq!(broker.run(&["topic", "create", "life"]).code, 5);
    broker.ok(&["topic", "create", "life", "--if-not-exists"]);
    let described = broker.json(&["topic", "describe", "life"]);
    assert_eq!(described["config"], json!({ "retention.ms": "1000" }));
    assert_eq!(described["offsets"][1]["leader"], 1);
    broker.ok(&["topic", "alter", "life", "-c", "cleanup.policy=compact,delete", "-c", "max.message.bytes=5000"]);
    broker.ok(&["topic", "alter", "life", "--delete-config", "retention.ms"]);
    let described = broker.json(&["topic", "describe", "life"]);
    assert_eq!(described["config"], json!({ "cleanup.policy": "compact,delete", "max.message.bytes": "5000" }));
    let all = broker.json(&["topic", "describe", "life", "--all"]);
    assert_eq!(all["config"]["retention.ms"], "604800000");
    broker.ok(&["topic", "add-partitions", "life", "-p", "4"]);
    assert_eq!(broker.json(&["topic", "describe", "life"])["partitions"], 4);

    broker.ok(&["topic", "create", "plain"]);
    assert_eq!(broker.run_with(&["produce", "plain"], "1\n2\n3\n").code, 0);
    let starts = broker.json(&["topic", "delete-records", "plain", "--before", "2"]);
    assert_eq!(starts, json!([{ "partition": 0, "start": 2 }]));
    assert_eq!(lines(&broker.ok(&["consume", "plain", "--from-beginning", "-e"])), ["3"]);
    let starts = broker.json(&["topic", "delete-records", "plain", "--before", "latest"]);
    assert_eq!(starts, json!([{ "partition": 0, "start": 3 }]));
    let wrong = broker.run(&["topic", "delete-records", "plain", "--before", "9"]);
    assert!(wrong.code == 1 && wrong.stderr.contains("it holds 3 to 3"), "{}", wrong.stderr);

    let names = |ran: Value| ran.as_array().unwrap().iter().map(|it| it["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(broker.json(&["topic", "list"])), ["life", "plain"]);
    broker.ok(&["topic", "delete", "life"]);
    assert_eq!(broker.run(&["topic", "delete", "life"]).code, 4);
    broker.ok(&["topic", "delete", "life", "--if-exists"]);
    assert_eq!(names(broker.json(&["topic", "list"])), ["plain"]);
    // Looking at a topic that is not there does not create it.
    assert_eq!(broker.run(&["topic", "describe", "life"]).code, 4);
    assert_eq!(broker.run(&["consume", "life", "-e"]).code, 4);
    assert_eq!(names(broker.json(&["topic", "list"])), ["plain"]);
}

#[test]
fn what_a_broker_refuses_is_said_in_its_own_words() {
    let broker = Broker::start();
    broker.ok(&["topic", "create", "t", "-p", "2"]);
    for (arguments, said) in [
        (&["topic", "create", "x", "-c", "cleanup.policy=keep"][..], "cleanup.policy=keep"),
        (&["topic", "create", "x", "-c", "colour=red"], "colour"),
        (&["topic", "create", "a/b"], "'/'"),
        (&["topic", "create", "__x"], "__x"),
        (&["topic", "alter", "t", "-c", "retention.ms=soon"], "retention.ms=soon"),
        (&["topic", "add-partitions", "t", "-p", "1"], "has 2 partitions already"),
    ] {
        let ran = broker.run(arguments);
        assert_eq!(ran.code, 6, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{arguments:?}: {}", ran.stderr);
    }
    for arguments in
        [&["consume", "t", "-f", "%z"][..], &["consume", "t", "--offset", "soon"], &["topic", "create", "t", "-c", "x"]]
    {
        assert_eq!(broker.run(arguments).code, 2, "{arguments:?}");
    }
}

#[test]
fn a_record_that_is_not_written_is_named_by_its_line_and_the_others_are_there() {
    let broker = Broker::start();
    broker.ok(&["topic", "create", "small", "-c", "max.message.bytes=200"]);
    let input = format!("fits\n{}\nno separator\nfits too\n", "k|".to_owned() + &"x".repeat(500));
    let ran = broker.run_with(&["produce", "small"], &input.replace("k|", ""));
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("line 2 was not written") && ran.stderr.contains("1 of 4 records"), "{}", ran.stderr);
    let ran = broker.run_with(&["produce", "small", "--key-separator", "|"], "a|1\nno separator\nb|2\n");
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("line 2 was not written: it has no key separator"), "{}", ran.stderr);
    let read = broker.ok(&["consume", "small", "--from-beginning", "-e"]);
    let mut found = lines(&read);
    found.sort_unstable();
    assert_eq!(found, ["1", "2", "fits", "fits too", "no separator"]);
    let ran = broker.run_with(&["produce", "small", "-p", "3"], "x\n");
    assert_eq!(ran.code, 4, "{}", ran.stderr);
}

#[test]
fn a_group_goes_on_where_it_was_and_its_offsets_can_be_moved() {
    let broker = Broker::start();
    broker.ok(&["topic", "create", "queue", "-p", "1"]);
    let input: String = (0..10).map(|number| format!("{number}\n")).collect();
    assert_eq!(broker.run_with(&["produce", "queue"], &input).code, 0);
    let as_member = ["consume", "queue", "--group", "workers", "--from-beginning", "-n", "3"];
    assert_eq!(lines(&broker.ok(&as_member)), ["0", "1", "2"]);
    assert_eq!(lines(&broker.ok(&as_member)), ["3", "4", "5"]);
    let groups = broker.json(&["group", "list"]);
    assert_eq!((&groups[0]["group"], &groups[0]["state"]), (&json!("workers"), &json!("Empty")));
    let described = broker.json(&["group", "describe", "workers"]);
    let offset = &described["offsets"][0];
    assert_eq!((&offset["committed"], &offset["end"], &offset["lag"]), (&json!(6), &json!(10), &json!(4)));

    let dry = broker.json(&["group", "reset-offsets", "workers", "--topic", "queue", "--to-earliest"]);
    assert_eq!(dry, json!([{ "topic": "queue", "partition": 0, "committed": 6, "new": 0 }]));
    assert_eq!(broker.json(&["group", "describe", "workers"])["offsets"][0]["committed"], 6, "only planned");
    for (to, expected) in [
        (&["--to-offset", "8"][..], 8),
        (&["--shift-by", "-3"], 5),
        (&["--shift-by", "100"], 10),
        (&["--to-earliest"], 0),
        (&["--to-latest"], 10),
        (&["--by-duration", "PT1H"], 0),
        (&["--to-datetime", "2999-01-01T00:00:00Z"], 10),
        (&["--to-offset", "8"], 8),
    ] {
        let arguments = [&["group", "reset-offsets", "workers", "--all-topics", "--execute"][..], to].concat();
        let moved = broker.json(&arguments);
        assert_eq!(moved[0]["new"], expected, "{to:?}");
        assert_eq!(broker.json(&["group", "describe", "workers"])["offsets"][0]["committed"], expected, "{to:?}");
    }
    assert_eq!(lines(&broker.ok(&["consume", "queue", "-g", "workers", "--timeout-ms", "4000"])), ["8", "9"]);

    broker.ok(&["group", "delete-offsets", "workers", "--topic", "queue:0"]);
    assert_eq!(broker.json(&["group", "describe", "workers"])["offsets"], json!([]));
    broker.ok(&["group", "delete", "workers"]);
    assert_eq!(broker.json(&["group", "list"]), json!([]));
    for gone in [&["group", "describe", "workers"][..], &["group", "delete", "workers"]] {
        assert_eq!(broker.run(gone).code, 4, "{gone:?}");
    }
}

#[test]
fn a_group_with_a_member_is_shown_with_it_and_is_not_moved() {
    let broker = Broker::start();
    broker.ok(&["topic", "create", "busy", "-p", "2"]);
    let mut member = broker.command(&["consume", "busy", "-g", "readers", "--from-beginning"]);
    let mut member = member.stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(broker.run_with(&["produce", "busy"], "here\n").code, 0);
    let mut line = String::new();
    BufReader::new(member.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "here\n");
    let described = broker.json(&["group", "describe", "readers"]);
    assert_eq!(described["state"], "Stable");
    assert_eq!(described["members"][0]["partitions"], json!(["busy-0", "busy-1"]));
    let refused = broker.run(&["group", "reset-offsets", "readers", "--all-topics", "--to-latest", "--execute"]);
    assert!(refused.code == 1 && refused.stderr.contains("has members"), "{}", refused.stderr);
    assert_eq!(broker.run(&["group", "delete", "readers"]).code, 1);
    // Ctrl-C commits and leaves.
    support::interrupt(&member);
    assert_eq!(member.wait().unwrap().code(), Some(0));
    let described = broker.json(&["group", "describe", "readers"]);
    assert_eq!(described["members"], json!([]));
    let committed: i64 =
        described["offsets"].as_array().unwrap().iter().filter_map(|it| it["committed"].as_i64()).sum();
    assert_eq!(committed, 1);
}

#[test]
fn whoever_has_enough_closes_the_pipe() {
    let broker = Broker::start();
    let input: String = (0..20_000).map(|number| format!("record number {number}\n")).collect();
    assert_eq!(broker.run_with(&["produce", "long", "-z", "lz4"], &input).code, 0);
    let mut reading = broker.command(&["consume", "long", "--from-beginning"]);
    let mut reading = reading.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 16];
    reading.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"record number 0\n");
    drop(reading.stdout.take());
    assert_eq!(reading.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    reading.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn without_a_broker_a_command_says_so_at_once_and_how_to_start_one() {
    let address = support::free_address();
    let begin = Instant::now();
    let ran = support::sluice(&["topic", "list", "--bootstrap-server", &address]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains(&address) && ran.stderr.contains("sluice broker start"), "{}", ran.stderr);
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
}

#[test]
fn who_names_a_hub_by_its_url_asks_rest_and_sees_internal_topics() {
    let broker = Broker::start_hub();
    broker.ok(&["topic", "create", "both"]);
    let url = broker.url().to_owned();
    let over_rest = support::sluice(&["--url", &url, "topic", "list", "--internal", "--output", "json"]);
    let listed: Value = serde_json::from_str(&over_rest.stdout).unwrap();
    let names: Vec<&str> = listed.as_array().unwrap().iter().filter_map(|topic| topic["name"].as_str()).collect();
    assert!(names.contains(&"both") && names.contains(&"__consumer_offsets"), "{names:?}");
    assert_eq!(broker.run_with(&["produce", "both"], "over kafka\n").code, 0);
    let read = support::sluice(&["--url", &url, "topic", "read", "both"]);
    assert!(read.stdout.contains("over kafka"), "{}", read.stdout);
    let ids = [
        broker.json(&["topic", "describe", "both"])["id"].clone(),
        listed.as_array().unwrap().iter().find(|topic| topic["name"] == "both").unwrap()["id"].clone(),
    ];
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn completions_of_every_shell_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = support::sluice(&["completions", shell]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        for word in ["produce", "consume", "reset-offsets", "delete-records", "repair", "from-beginning"] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn what_the_brokers_config_says_of_topics_holds_for_those_that_come() {
    let overrides = ["message.max.bytes=5000", "log.retention.hours=1", "num.partitions=4"];
    let arguments: Vec<&str> = overrides.iter().flat_map(|it| ["--override", *it]).collect();
    let broker = Broker::start_with(&arguments);
    broker.ok(&["topic", "create", "asked-for", "-c", "retention.ms=-1"]);
    assert_eq!(broker.run_with(&["produce", "on-demand"], "x\n").code, 0);
    for (topic, retention) in [("asked-for", "-1"), ("on-demand", "3600000")] {
        let described = broker.json(&["topic", "describe", topic]);
        assert_eq!(described["partitions"], 4, "{topic}");
        assert_eq!(described["config"], json!({ "max.message.bytes": "5000", "retention.ms": retention }), "{topic}");
    }
    let off = Broker::start_with(&["--override", "auto.create.topics.enable=false"]);
    let refused = off.run_with(&["produce", "on-demand", "--timeout-ms", "1500"], "x\n");
    assert!(refused.code == 1 && refused.stderr.contains("line 1 was not written"), "{}", refused.stderr);
}
