//! `sluice group …`.

use super::time::{parse_duration, parse_time};
use super::{connect, exit, topics_and_partitions};
use crate::args::{GroupArguments, GroupCommand, Output, ResetOffsets, ResetTarget};
use crate::exit::Exit;
use crate::output::{items, print, say, table, text};
use chrono::Utc;
use serde_json::{Value, json};
use sluice_client::TopicPartition;
use sluice_client_kafka::tools::{Cluster, GroupDetails, ResetTo};

pub fn run(arguments: GroupArguments, output: Output) -> Result<(), Exit> {
    // Said before anybody is asked.
    let reset = match &arguments.command {
        GroupCommand::ResetOffsets(options) => Some(reset_to(&options.to)?),
        _ => None,
    };
    let cluster = connect(&arguments.bootstrap)?;
    match arguments.command {
        GroupCommand::List => list(&cluster, output),
        GroupCommand::Describe { group, members } => {
            let details = cluster.describe_group(&group).map_err(exit)?;
            describe(&details, members, output);
            Ok(())
        }
        GroupCommand::ResetOffsets(options) => {
            let to = reset.expect("it was read above");
            reset_offsets(&cluster, &options, to, output)
        }
        GroupCommand::Delete { group } => {
            cluster.delete_group(&group).map_err(exit)?;
            say(&format!("{group} deleted"));
            Ok(())
        }
        GroupCommand::DeleteOffsets { group, topic } => {
            for (topic, partitions) in topics_and_partitions(&topic)? {
                let count = cluster.delete_group_offsets(&group, &topic, &partitions).map_err(exit)?;
                say(&format!("{group} has forgotten {count} offsets of {topic}"));
            }
            Ok(())
        }
    }
}

fn list(cluster: &Cluster, output: Output) -> Result<(), Exit> {
    let groups = cluster.groups().map_err(exit)?;
    let groups = groups.iter().map(|it| json!({ "group": it.group, "state": it.state, "type": it.kind }));
    print(output, &Value::Array(groups.collect()), |json| {
        let mut rows = table(&["group", "state", "type"]);
        for group in items(json) {
            rows.add_row([text(group, "group"), text(group, "state"), text(group, "type")]);
        }
        rows
    });
    Ok(())
}

fn describe(details: &GroupDetails, members: bool, output: Output) {
    let client = |id: &Option<String>| details.members.iter().find(|member| Some(&member.member_id) == id.as_ref());
    let partition = |one: &sluice_client_kafka::tools::GroupPartition| {
        let reader = client(&one.member_id);
        json!({
            "topic": one.partition.topic.to_string(),
            "partition": one.partition.partition,
            "committed": one.committed,
            "end": one.end,
            "lag": one.lag(),
            "metadata": one.metadata,
            "member_id": one.member_id,
            "client_id": reader.map(|member| &member.client_id),
            "host": reader.map(|member| &member.host),
        })
    };
    let member = |one: &sluice_client_kafka::tools::GroupMember| {
        let partitions: Vec<String> = one.partitions.iter().map(ToString::to_string).collect();
        json!({
            "member_id": one.member_id,
            "instance_id": if one.instance_id.is_empty() { Value::Null } else { json!(one.instance_id) },
            "client_id": one.client_id,
            "host": one.host,
            "partitions": partitions,
        })
    };
    let json = json!({
        "group": details.group,
        "state": details.state,
        "assignor": details.assignor,
        "coordinator": details.coordinator,
        "offsets": details.partitions.iter().map(partition).collect::<Vec<_>>(),
        "members": details.members.iter().map(member).collect::<Vec<_>>(),
    });
    if output == Output::Table {
        say(&format!(
            "{} is {}, {} members, coordinator {}",
            details.group,
            details.state,
            details.members.len(),
            details.coordinator
        ));
    }
    print(output, &json, |json| if members { member_table(json) } else { offset_table(json) });
}

fn offset_table(json: &Value) -> comfy_table::Table {
    let mut rows = table(&["topic", "partition", "committed", "end", "lag", "client", "host"]);
    for one in items(&json["offsets"]) {
        let or_dash = |member: &str| if one[member].is_null() { "-".to_owned() } else { text(one, member) };
        let columns = ["topic", "partition", "committed", "end", "lag", "client_id", "host"];
        rows.add_row(columns.map(or_dash));
    }
    rows
}

fn member_table(json: &Value) -> comfy_table::Table {
    let mut rows = table(&["client", "host", "instance", "partitions", "member"]);
    for one in items(&json["members"]) {
        let partitions: Vec<&str> = items(&one["partitions"]).iter().filter_map(Value::as_str).collect();
        let row = [text(one, "client_id"), text(one, "host"), text(one, "instance_id"), partitions.join(" ")];
        rows.add_row(row.into_iter().chain([text(one, "member_id")]));
    }
    rows
}

fn reset_to(options: &ResetTarget) -> Result<ResetTo, Exit> {
    let usage = |message: String| Exit::Usage { message };
    if options.to_earliest {
        return Ok(ResetTo::Earliest);
    }
    if options.to_latest {
        return Ok(ResetTo::Latest);
    }
    if let Some(offset) = options.to_offset {
        return Ok(ResetTo::Offset(offset));
    }
    if let Some(by) = options.shift_by {
        return Ok(ResetTo::Shift(by));
    }
    if let Some(time) = &options.to_datetime {
        return parse_time(time).map(ResetTo::Time).map_err(usage);
    }
    if let Some(duration) = &options.by_duration {
        let back_ms = parse_duration(duration).map_err(usage)?;
        return Ok(ResetTo::Time(Utc::now().timestamp_millis().saturating_sub(back_ms)));
    }
    Ok(ResetTo::Current)
}

fn reset_offsets(cluster: &Cluster, options: &ResetOffsets, to: ResetTo, output: Output) -> Result<(), Exit> {
    let topics = topics_and_partitions(&options.topic)?;
    let plan = cluster.plan_reset(&options.group, &topics, to).map_err(exit)?;
    if options.execute {
        let changes: Vec<(TopicPartition, i64)> =
            plan.iter().map(|(partition, _, target)| (partition.clone(), *target)).collect();
        if !changes.is_empty() {
            cluster.alter_group_offsets(&options.group, &changes).map_err(exit)?;
        }
    }
    let shown = plan.iter().map(|(partition, now, target)| {
        json!({ "topic": partition.topic.to_string(), "partition": partition.partition, "committed": now, "new": target })
    });
    print(output, &Value::Array(shown.collect()), |json| {
        let mut rows = table(&["topic", "partition", "committed", "new"]);
        for one in items(json) {
            rows.add_row([text(one, "topic"), text(one, "partition"), text(one, "committed"), text(one, "new")]);
        }
        rows
    });
    if !options.execute {
        eprintln!("nothing was changed; --execute does it");
    }
    Ok(())
}
