//! A consumer in a group, on a thread of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, ClientContext};
use serde_json::{Value, json};

use crate::{hex, say, text};

pub struct Member {
    leaves: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Member {
    pub fn join(mut settings: ClientConfig, command: &Value) -> Result<Member> {
        let name = text(command, "member")?.to_owned();
        settings.set("group.id", text(command, "group")?).set("enable.auto.commit", "false");
        settings.set("session.timeout.ms", "10000").set("heartbeat.interval.ms", "200");
        settings.set("auto.offset.reset", "earliest");
        settings.set("partition.assignment.strategy", command["strategy"].as_str().unwrap_or("range"));
        if let Some(instance) = command["instance"].as_str() {
            settings.set("group.instance.id", instance);
        }
        let consumer: BaseConsumer<Assignments> = settings.create_with_context(Assignments { member: name.clone() })?;
        consumer.subscribe(&[text(command, "topic")?])?;
        let leaves = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&leaves);
        let thread = std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                if let Err(error) = step(&consumer, &name) {
                    say(&json!({"event": "failed", "member": name, "error": format!("{error:#}")}));
                    return;
                }
            }
        });
        Ok(Member { leaves, thread })
    }

    /// Returns when the consumer is closed.
    pub fn leave(self, name: &str) -> Result<()> {
        self.leaves.store(true, Ordering::Relaxed);
        self.thread.join().ok().with_context(|| format!("member {name} panicked"))
    }
}

/// A record is told after its commit.
fn step(consumer: &BaseConsumer<Assignments>, name: &str) -> Result<()> {
    let Some(message) = consumer.poll(Duration::from_millis(100)) else {
        return Ok(());
    };
    let message = message?;
    consumer.commit_message(&message, CommitMode::Sync)?;
    say(&json!({
        "event": "record", "member": name, "partition": message.partition(), "offset": message.offset(),
        "value": hex(message.payload()),
    }));
    Ok(())
}

struct Assignments {
    member: String,
}

impl ClientContext for Assignments {}

impl ConsumerContext for Assignments {
    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, _: &Rebalance<'_>) {
        let assigned = consumer
            .assignment()
            .map(|places| places.elements().iter().map(|place| place.partition()).collect::<BTreeSet<i32>>());
        say(&json!({"event": "assigned", "member": self.member, "partitions": assigned.unwrap_or_default()}));
    }
}
