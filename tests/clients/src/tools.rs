//! Kafka's console tools, one after the other in one JVM, as `bin/kafka-*.sh` would run them.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::Client;

const PREFIX: &str = "org.apache.kafka.tools.";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// What a tool printed, and the status it ended with.
struct Printed {
    status: i64,
    output: String,
    errors: String,
}

impl Printed {
    fn ok(self) -> Result<String> {
        ensure!(self.status == 0, "it ended with {}: {}{}", self.status, self.output, self.errors);
        Ok(self.output)
    }
}

/// Runs a tool; its arguments are separated by blanks. `--bootstrap-server` is set.
fn run(tools: &mut Client, tool: &str, arguments: &str, input: &str) -> Result<Printed> {
    let class = if tool.contains('.') { tool.to_owned() } else { format!("{PREFIX}{tool}") };
    let arguments: Vec<&str> =
        ["--bootstrap-server", "BROKER"].into_iter().chain(arguments.split_whitespace()).collect();
    let command = json!({"tool": class, "arguments": arguments, "input": input});
    let answer: Value = tools.call("run", command).with_context(|| format!("{tool} {arguments:?}"))?;
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let status = answer["status"].as_i64().context("a tool has a status")?;
    Ok(Printed { status, output: text("output"), errors: text("errors") })
}

fn prints(tools: &mut Client, tool: &str, arguments: &str) -> Result<String> {
    run(tools, tool, arguments, "")?.ok().with_context(|| format!("{tool} {arguments}"))
}

/// Each of these words stands in what the tool prints.
fn shows(tools: &mut Client, tool: &str, arguments: &str, words: &[&str]) -> Result<()> {
    let output = prints(tools, tool, arguments)?;
    // Columns are as wide as their content.
    let plain = output.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        ensure!(plain.contains(word), "{tool} {arguments}: no {word:?} in\n{output}");
    }
    Ok(())
}

pub fn topics_and_their_configs(tools: &mut Client) -> Result<()> {
    let topic = "TopicCommand";
    shows(
        tools,
        topic,
        "--create --topic tools --partitions 2 --config retention.ms=86400000",
        &["Created topic tools."],
    )?;
    let twice = run(tools, topic, "--create --topic tools", "")?;
    ensure!(twice.status == 1 && twice.output.contains("already exists"), "created twice: {}", twice.output);
    let name = run(tools, topic, "--create --topic no/slash", "")?;
    ensure!(
        name.status == 1 && name.output.contains("Error while executing topic command"),
        "a slash: {}",
        name.output
    );
    shows(tools, topic, "--list", &["tools"])?;
    prints(tools, topic, "--alter --topic tools --partitions 3")?;
    let described = ["PartitionCount: 3", "ReplicationFactor: 1", "retention.ms=86400000", "Partition: 2 Leader: 1"];
    shows(tools, topic, "--describe --topic tools", &described)?;
    let set = "--alter --entity-type topics --entity-name tools --add-config";
    shows(
        tools,
        CONFIGS,
        &format!("{set} max.message.bytes=2000000"),
        &["Completed updating config for topic tools."],
    )?;
    let wrong = run(tools, CONFIGS, &format!("{set} retention.ms=soon"), "")?;
    ensure!(wrong.status == 1 && wrong.errors.contains("retention.ms"), "a wrong value: {}", wrong.errors);
    let describe = "--describe --entity-type topics --entity-name tools";
    shows(tools, CONFIGS, describe, &["max.message.bytes=2000000", "retention.ms=86400000"])?;
    prints(tools, CONFIGS, "--alter --entity-type topics --entity-name tools --delete-config max.message.bytes")?;
    shows(tools, CONFIGS, &format!("{describe} --all"), &["max.message.bytes=1048588", "cleanup.policy=delete"])?;
    shows(tools, CONFIGS, "--describe --entity-type brokers --entity-name 1 --all", &["log.dirs=", "num.partitions="])?;
    prints(tools, topic, "--delete --topic tools")?;
    let gone = run(tools, topic, "--describe --topic tools", "")?;
    ensure!(gone.status == 1 && gone.output.contains("does not exist"), "described when deleted: {}", gone.output);
    Ok(())
}

/// Written, read in a group, and the group is described, moved, stripped of its offsets and deleted.
pub fn records_and_their_group(tools: &mut Client) -> Result<()> {
    prints(tools, "TopicCommand", "--create --topic console --partitions 2")?;
    let lines: String = (0..10).map(|index| format!("h=é{index}|key {index}:value {index}\n")).collect();
    let produce = "--topic console --reader-property parse.key=true --reader-property key.separator=: --reader-property \
                   parse.headers=true --reader-property headers.delimiter=| --reader-property headers.key.separator==";
    run(tools, "ConsoleProducer", produce, &lines)?.ok()?;
    let consume = "--topic console --from-beginning --max-messages 10 --timeout-ms 20000 --formatter-property \
                   print.key=true --formatter-property print.headers=true";
    let output = prints(tools, CONSUMER, &format!("{consume} --group console-group"))?;
    let mut read: Vec<&str> = output.lines().collect();
    read.sort_unstable();
    let expected: Vec<String> = (0..10).map(|index| format!("h:é{index}\tkey {index}\tvalue {index}")).collect();
    ensure!(read == expected, "read {read:?}");
    let group = "--group console-group";
    shows(tools, GROUPS, "--list --state", &["console-group Empty"])?;
    shows(
        tools,
        GROUPS,
        &format!("--describe {group}"),
        &["CURRENT-OFFSET LOG-END-OFFSET LAG", "console-group console 0"],
    )?;
    shows(tools, GROUPS, &format!("--describe {group} --state"), &["Empty 0"])?;
    prints(tools, GROUPS, &format!("--describe {group} --members --verbose"))?;
    let reset = format!("--reset-offsets {group} --execute --topic");
    shows(
        tools,
        GROUPS,
        &format!("{reset} console --to-earliest"),
        &["console-group console 0 0", "console-group console 1 0"],
    )?;
    shows(tools, GROUPS, &format!("{reset} console:0 --shift-by 1"), &["console-group console 0 1"])?;
    shows(
        tools,
        GROUPS,
        &format!("{reset} console --to-datetime 2020-01-01T00:00:00.000"),
        &["console-group console 0 0"],
    )?;
    let again = prints(tools, CONSUMER, &format!("{consume} {group}"))?;
    ensure!(again.lines().count() == 10, "after the reset {again}");
    shows(
        tools,
        GROUPS,
        &format!("--delete-offsets {group} --topic console"),
        &["console 0 Successful", "console 1 Successful"],
    )?;
    shows(tools, GROUPS, &format!("--delete {group}"), &["was successful"])?;
    let listed = prints(tools, GROUPS, "--list")?;
    ensure!(!listed.lines().any(|it| it == "console-group"), "still listed: {listed}");
    Ok(())
}

/// Ends of a partition, deleted records, the log's folder.
pub fn offsets_and_deleted_records(tools: &mut Client, folder: &Path) -> Result<()> {
    prints(tools, "TopicCommand", "--create --topic ends --partitions 1")?;
    let lines: String = (0..5).map(|index| format!("{index}\n")).collect();
    run(tools, "ConsoleProducer", "--topic ends", &lines)?.ok()?;
    shows(tools, "GetOffsetShell", "--topic ends", &["ends:0:5"])?;
    shows(tools, "GetOffsetShell", "--topic ends --time earliest", &["ends:0:0"])?;
    shows(tools, "GetOffsetShell", "--topic ends --time max-timestamp", &["ends:0:"])?;
    let file = folder.join("delete-records.json");
    let wanted = json!({"version": 1, "partitions": [{"topic": "ends", "partition": 0, "offset": 3}]});
    std::fs::write(&file, wanted.to_string())?;
    let delete = format!("--offset-json-file {}", file.display());
    shows(tools, "DeleteRecordsCommand", &delete, &["ends-0 low_watermark: 3"])?;
    shows(tools, "GetOffsetShell", "--topic ends --time earliest", &["ends:0:3"])?;
    let output =
        prints(tools, CONSUMER, "--topic ends --partition 0 --offset earliest --max-messages 2 --timeout-ms 20000")?;
    ensure!(output == "3\n4\n", "read {output:?}");
    shows(tools, "LogDirsCommand", "--describe --topic-list ends", &["\"partition\":\"ends-0\"", "\"error\":null"])
}

/// `writer` has one transaction committed and one aborted; the tools see both.
pub fn transactions_are_described(tools: &mut Client, writer: &mut Client) -> Result<()> {
    prints(tools, "TopicCommand", "--create --topic traced --partitions 1")?;
    let record = json!({"key": null, "value": "00", "headers": [], "timestamp": crate::records::first_timestamp()});
    let writes = json!([{"topic": "traced", "partition": 0, "records": [record]}]);
    for (id, commit) in [("traced-1", true), ("traced-2", false)] {
        writer.call("transaction", json!({"transactional_id": id, "writes": writes, "commit": commit}))?;
    }
    let transactions = "TransactionsCommand";
    let ended = ["traced-1 1", "CompleteCommit", "traced-2 1", "CompleteAbort"];
    let is_listed = |output: &str| output.contains("CompleteCommit") && output.contains("CompleteAbort");
    let listed = prints(tools, transactions, "list")?;
    ensure!(
        is_listed(&listed) && ended.iter().all(|it| listed.contains(it.split(' ').next().unwrap_or(it))),
        "{listed}"
    );
    shows(tools, transactions, "describe --transactional-id traced-1", &["traced-1", "CompleteCommit"])?;
    let unknown = run(tools, transactions, "describe --transactional-id nobody", "")?;
    ensure!(unknown.status == 1 && unknown.errors.contains("could not be found"), "{}", unknown.errors);
    shows(tools, transactions, "describe-producers --topic traced --partition 0", &["ProducerId", "None"])?;
    prints(tools, transactions, "find-hanging --topic traced --broker-id 1").map(drop)
}

pub fn the_broker_and_its_groups(tools: &mut Client) -> Result<()> {
    shows(tools, "BrokerApiVersionsCommand", "", &["Produce(0): 0 to 13 [usable: 13]", "TxnOffsetCommit(28): 0 to"])?;
    prints(tools, "FeatureCommand", "describe")?;
    shows(tools, "GroupsCommand", "--list", &["GROUP TYPE PROTOCOL"])
}

/// `kafka-producer-perf-test` and `kafka-consumer-perf-test`.
pub fn the_performance_tools(tools: &mut Client) -> Result<()> {
    prints(tools, "TopicCommand", "--create --topic perf --partitions 1")?;
    let produce = json!({
        "tool": format!("{PREFIX}ProducerPerformance"),
        "arguments": [
            "--topic", "perf", "--num-records", "20000", "--record-size", "100", "--throughput", "-1",
            "--command-property", "bootstrap.servers=BROKER", "acks=all",
        ],
    });
    let answer = tools.call("run", produce)?;
    let output = answer["output"].as_str().unwrap_or_default();
    ensure!(output.contains("20000 records sent"), "{answer}");
    shows(tools, "GetOffsetShell", "--topic perf", &["perf:0:20000"])?;
    let output = prints(tools, "ConsumerPerformance", "--topic perf --num-records 20000 --timeout 20000")?;
    let consumed = output.lines().last().and_then(|line| line.split(", ").nth(4)).context("a line of figures")?;
    ensure!(consumed == "20000", "consumed {consumed}: {output}");
    Ok(())
}

/// So many values of a topic, from its beginning, by the console consumer; waits for them.
pub fn first_values(tools: &mut Client, topic: &str, count: usize) -> Result<Vec<String>> {
    let arguments =
        format!("--topic {topic} --partition 0 --offset earliest --max-messages {count} --timeout-ms 20000");
    Ok(prints(tools, CONSUMER, &arguments)?.lines().map(str::to_owned).collect())
}

/// `kafka-verifiable-producer` and `-consumer`, each in a JVM of its own: what was acknowledged is consumed.
pub fn the_verifiable_tools(java: impl Fn() -> Result<std::process::Command>, broker: &str) -> Result<()> {
    let run = |tool: &str, arguments: &str| -> Result<Vec<Value>> {
        let mut command = java()?;
        command.arg(format!("{PREFIX}{tool}")).args(["--bootstrap-server", broker, "--topic", "verifiable"]);
        let output = command.args(arguments.split_whitespace()).output()?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "{tool}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    };
    let produced = run("VerifiableProducer", "--max-messages 1000 --acks -1")?;
    let sum = produced.iter().find(|line| line["name"] == "tool_data").context("the producer's sum")?;
    ensure!(sum["sent"] == json!(1000) && sum["acked"] == json!(1000), "{sum}");
    let consumed = run("VerifiableConsumer", "--group-id verifiable --max-messages 1000 --reset-policy earliest")?;
    let read = consumed.iter().filter(|line| line["name"] == "records_consumed");
    let read: u64 = read.filter_map(|line| line["count"].as_u64()).sum();
    ensure!(read == 1000, "{read} consumed");
    let committed = consumed.iter().filter(|line| line["name"] == "offsets_committed");
    ensure!(committed.clone().count() > 0 && committed.clone().all(|line| line["success"] == json!(true)), "commits");
    Ok(())
}
