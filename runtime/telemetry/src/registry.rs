//! The series of all tasks of this process. They stay, also when their task fails, until somebody forgets the task.

use crate::meter::{Meter, Shown};
use crate::metric::{Labels, ShownMeter, SinkTaskMetrics, SourceTaskMetrics, TaskErrorMetrics, TaskInfo, TaskMetrics};
use crate::text::MetricsText;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// What there is of one task.
#[derive(Debug, Default)]
pub(crate) struct TaskSeries {
    pub source: Option<SourceTaskMetrics>,
    pub sink: Option<SinkTaskMetrics>,
    pub task: Option<TaskMetrics>,
    pub errors: Option<TaskErrorMetrics>,
    pub info: Option<TaskInfo>,
    /// What its guest counts, by name.
    plugin: BTreeMap<String, (Shown, Meter)>,
}

/// By connector and the task's label; that is empty for what belongs to no task.
type Tasks = BTreeMap<(String, String), TaskSeries>;

static TASKS: Mutex<Tasks> = Mutex::new(BTreeMap::new());

pub(crate) fn of_task<T>(connector: &str, task: u32, work: impl FnOnce(&mut TaskSeries) -> T) -> T {
    work(TASKS.lock().entry((connector.to_owned(), task.to_string())).or_default())
}

/// A metric that a guest made; `task` may be empty.
#[must_use]
pub fn plugin_meter(connector: &str, task: &str, name: String, shown: Shown) -> Meter {
    let mut tasks = TASKS.lock();
    let series = tasks.entry((connector.to_owned(), task.to_owned())).or_default();
    series.plugin.entry(name).or_insert_with(|| (shown, Meter::default())).1.clone()
}

/// A task that is no more takes its series along. `None`: the connector and all that belongs to it.
pub fn forget(connector: &str, task: Option<u32>) {
    let task = task.map(|task| task.to_string());
    TASKS.lock().retain(|(of, label), _| of != connector || task.as_ref().is_some_and(|task| task != label));
}

/// Everything, in Prometheus' text format.
#[must_use]
pub fn render() -> String {
    let tasks = TASKS.lock();
    let mut text = MetricsText::default();
    group(&mut text, &tasks, SourceTaskMetrics::SHOWN, |series| series.source.as_ref());
    group(&mut text, &tasks, SinkTaskMetrics::SHOWN, |series| series.sink.as_ref());
    group(&mut text, &tasks, TaskMetrics::SHOWN, |series| series.task.as_ref());
    group(&mut text, &tasks, TaskErrorMetrics::SHOWN, |series| series.errors.as_ref());
    infos(&mut text, &tasks);
    plugins(&mut text, &tasks);
    text.0
}

fn group<M>(text: &mut MetricsText, tasks: &Tasks, shown: &[ShownMeter<M>], find: fn(&TaskSeries) -> Option<&M>) {
    if !tasks.values().any(|series| find(series).is_some()) {
        return;
    }
    for (name, shown, meter) in shown {
        text.head(name, shown.kind());
        for ((connector, task), metrics) in tasks.iter().filter_map(|(key, series)| Some((key, find(series)?))) {
            text.line(name, &[("connector", connector), ("task", task)], meter(metrics).shown(*shown));
        }
    }
}

fn infos(text: &mut MetricsText, tasks: &Tasks) {
    for (name, find) in TaskInfo::SHOWN {
        let mut all =
            tasks.iter().flat_map(|(key, series)| series.info.iter().flat_map(find).map(move |one| (key, one)));
        let Some(first) = all.next() else { continue };
        text.head(name, "gauge");
        for ((connector, task), labels) in std::iter::once(first).chain(all) {
            let labels: &Labels = labels;
            let of = [("connector", connector.as_str()), ("task", task.as_str())];
            let labels: Vec<_> =
                of.into_iter().chain(labels.iter().map(|(name, value)| (*name, value.as_str()))).collect();
            text.line(name, &labels, 1.0);
        }
    }
}

fn plugins(text: &mut MetricsText, tasks: &Tasks) {
    let mut by_name: BTreeMap<(&str, Shown), Vec<_>> = BTreeMap::new();
    for ((connector, task), series) in tasks {
        for (name, (shown, meter)) in &series.plugin {
            by_name.entry((name, *shown)).or_default().push((connector.as_str(), task.as_str(), meter.shown(*shown)));
        }
    }
    let mut last = "";
    for ((name, shown), series) in by_name {
        // Two guests that mean different things by one name: the text may name a metric's kind only once.
        if name != last {
            text.head(name, shown.kind());
        }
        last = name;
        for (connector, task, value) in series {
            text.line(name, &[("connector", connector), ("task", task)], value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_stay_when_a_task_ends_and_go_when_it_is_forgotten() {
        let series = |task: u32| format!("source_record_poll_total{{connector=\"gone\",task=\"{task}\"}} ");
        for task in [1, 12] {
            SourceTaskMetrics::new("gone", task).record_poll.increment(3);
            plugin_meter("gone", &task.to_string(), "sluice_plugin_seen".to_owned(), Shown::Total).increment(1);
        }
        // A second life of the task goes on counting.
        SourceTaskMetrics::new("gone", 1).record_poll.increment(2);
        let text = render();
        assert!(text.contains(&(series(1) + "5\n")) && text.contains(&(series(12) + "3\n")), "{text}");
        forget("gone", Some(1));
        let text = render();
        assert!(!text.contains(&series(1)) && text.contains(&series(12)), "{text}");
        assert!(text.contains("sluice_plugin_seen{connector=\"gone\",task=\"12\"} 1"));
        forget("gone", None);
        assert!(!render().contains("connector=\"gone\""));
    }

    #[test]
    fn no_metric_has_two_names_and_what_a_task_is_made_of_has_value_1() {
        let info = TaskInfo { task: vec![("task_class", "X".to_owned())], ..TaskInfo::default() };
        info.show("named", 0);
        let _ = (SinkTaskMetrics::new("named", 0), TaskMetrics::new("named", 0), TaskErrorMetrics::new("named", 0));
        let text = render();
        assert!(text.contains(
            "kafka_connect_connector_task_metrics_info{connector=\"named\",task=\"0\",task_class=\"X\"} 1\n"
        ));
        let mut heads: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
        let count = heads.len();
        heads.sort_unstable();
        heads.dedup();
        assert_eq!(count, heads.len());
    }
}
