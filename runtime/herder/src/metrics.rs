//! The metrics of connectors and of the hub, in Prometheus' text format: read off their state, so that what is gone shows
//! nothing and what has failed stays. Source: Kafka `WorkerMetricsGroup`, `ConnectMetricsRegistry`.

use crate::herder::Herder;
use crate::overview::{ConnectorOverview, Overview, Started, TASK_STATES, kind_name};
use sluice_data::ConnectorName;
use sluice_storage::State;
use sluice_telemetry::MetricsText;
use sluice_worker::{PartitionLag, TimeLeft};

const WORKER: &str = "kafka_connect_connect_worker_metrics_";
const REBALANCE: &str = "kafka_connect_connect_worker_rebalance_metrics_";

impl Herder {
    /// Empty when the hub is stopping.
    pub async fn metrics(&self) -> String {
        let Ok(overview) = self.overview().await else { return String::new() };
        let mut text = MetricsText::default();
        worker(&mut text, &overview);
        task_counts(&mut text, &overview.connectors);
        connectors(&mut text, &overview.connectors);
        tasks(&mut text, &overview.connectors);
        lags(&mut text, &overview.connectors);
        one_worker(&mut text, &self.config().worker_id);
        text.one("sluice_memory_budget_used_bytes", "gauge", overview.memory_used_bytes as f64);
        text.one("sluice_memory_budget_limit_bytes", "gauge", overview.memory_limit_bytes as f64);
        text.0
    }
}

fn worker(text: &mut MetricsText, overview: &Overview) {
    let tasks: usize = overview.connectors.iter().map(|one| one.status.tasks.len()).sum();
    text.one(&format!("{WORKER}connector_count"), "gauge", overview.connectors.len() as f64);
    text.one(&format!("{WORKER}task_count"), "gauge", tasks as f64);
    startups(text, "connector", overview.startups.connectors);
    startups(text, "task", overview.startups.tasks);
}

fn startups(text: &mut MetricsText, what: &str, started: Started) {
    let share = |count: u64| count as f64 / started.attempts().max(1) as f64;
    let name = |attribute: &str| format!("{WORKER}{what}_startup_{attribute}");
    text.one(&name("attempts_total"), "counter", started.attempts() as f64);
    text.one(&name("success_total"), "counter", started.succeeded as f64);
    text.one(&name("failure_total"), "counter", started.failed as f64);
    text.one(&name("success_percentage"), "gauge", share(started.succeeded));
    text.one(&name("failure_percentage"), "gauge", share(started.failed));
}

fn task_counts(text: &mut MetricsText, connectors: &[ConnectorOverview]) {
    let shown = [
        ("total", None),
        ("running", Some(State::Running)),
        ("paused", Some(State::Paused)),
        ("failed", Some(State::Failed)),
        ("unassigned", Some(State::Unassigned)),
        ("destroyed", Some(State::Destroyed)),
        ("restarting", Some(State::Restarting)),
    ];
    for (attribute, state) in shown {
        let name = format!("{WORKER}connector_{attribute}_task_count");
        text.head(&name, "gauge");
        for one in connectors {
            let tasks = one.status.tasks.iter();
            let count = tasks.filter(|(_, task)| state.is_none_or(|state| task.state == state)).count();
            text.line(&name, &[("connector", one.status.name.as_str())], count as f64);
        }
    }
}

fn connectors(text: &mut MetricsText, connectors: &[ConnectorOverview]) {
    let name = "kafka_connect_connector_metrics_info";
    text.head(name, "gauge");
    for ConnectorOverview { status, class, .. } in connectors {
        let labels = [
            ("connector", status.name.as_str()),
            ("connector_class", class),
            ("connector_type", kind_name(status.kind)),
            ("connector_version", status.connector.version.as_deref().unwrap_or_default()),
        ];
        text.line(name, &labels, 1.0);
    }
    let name = "kafka_connect_connector_status";
    text.head(name, "gauge");
    for ConnectorOverview { status, .. } in connectors {
        states(text, name, (&status.name, None), status.connector.state);
    }
}

fn tasks(text: &mut MetricsText, connectors: &[ConnectorOverview]) {
    let name = "kafka_connect_connector_task_status";
    text.head(name, "gauge");
    for ConnectorOverview { status, .. } in connectors {
        for (index, task) in &status.tasks {
            states(text, name, (&status.name, Some(*index)), task.state);
        }
    }
}

/// One series for each state: 1 for the one that it is in, 0 for the others.
fn states(text: &mut MetricsText, name: &str, (connector, task): (&ConnectorName, Option<u32>), is: State) {
    let task = task.map(|task| task.to_string());
    let stopped = task.is_none().then_some(State::Stopped);
    for state in TASK_STATES.into_iter().chain(stopped) {
        let status = state.as_str().to_lowercase();
        let mut labels = vec![("connector", connector.as_str())];
        labels.extend(task.as_deref().map(|task| ("task", task)));
        labels.push(("status", &status));
        text.line(name, &labels, f64::from(state == is));
    }
}

fn lags(text: &mut MetricsText, connectors: &[ConnectorOverview]) {
    type Of = fn(&PartitionLag) -> f64;
    let shown: [(&str, Of); 2] = [
        ("sluice_sink_lag_records", |lag| lag.lag as f64),
        ("sluice_sink_retention_seconds_left", |lag| match lag.left {
            TimeLeft::Unlimited => f64::INFINITY,
            TimeLeft::Seconds(seconds) => seconds,
            TimeLeft::Unknown => f64::NAN,
        }),
    ];
    for (name, value) in shown {
        text.head(name, "gauge");
        for one in connectors {
            for lag in &one.lag {
                let partition = lag.partition.partition.to_string();
                let labels = [
                    ("connector", one.status.name.as_str()),
                    ("topic", &*lag.partition.topic),
                    ("partition", &partition),
                ];
                text.line(name, &labels, value(lag));
            }
        }
    }
}

/// What is so as long as a hub is its group's only worker: it leads itself, and nothing is ever dealt out anew.
fn one_worker(text: &mut MetricsText, worker_id: &str) {
    let name = format!("{REBALANCE}info");
    text.head(&name, "gauge");
    text.line(&name, &[("connect_protocol", "none"), ("leader_name", worker_id)], 1.0);
    let shown = [("epoch", 1.0), ("rebalancing", 0.0), ("rebalance_max_time_ms", 0.0), ("rebalance_avg_time_ms", 0.0)];
    for (attribute, value) in shown {
        text.one(&format!("{REBALANCE}{attribute}"), "gauge", value);
    }
    text.one(&format!("{REBALANCE}completed_rebalances_total"), "counter", 0.0);
    text.one(&format!("{REBALANCE}time_since_last_rebalance_ms"), "gauge", f64::INFINITY);
}
