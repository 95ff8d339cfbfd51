//! Log lines of tasks. In a process of its own: which lines are written is settled once for all threads.

mod support;

use serde_json::{Value, json};
use sluice_connect_api::ConnectError;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use support::*;
use tempfile::tempdir;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Those whose message holds this.
    fn with(&self, message: &str) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["fields"]["message"].as_str().is_some_and(|it| it.contains(message))).collect()
    }
}

// On one thread: the subscriber is that thread's.
#[tokio::test]
async fn log_lines_say_connector_task_and_the_place_of_the_record() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    let _logs = tracing::subscriber::set_default(subscriber);
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.create_topic("numbers", 1).await;
    hub.produce("numbers", &["a", "b", "bad"]).await;
    let mut busy = ConnectError::retriable("busy", "come back later");
    busy.details.backoff_ms = Some(1);
    hub.target.0.change(|state| {
        state.errors.push_back(busy);
        state.refused.push("bad".to_owned());
    });
    let tolerant = [("errors.tolerance", "all"), ("errors.log.enable", "true")];
    let id = hub.run(sink_spec(&tolerant, &[])).await;
    hub.target.until_rows(2).await;
    hub.worker.stop_task(&id).await;
    for (message, offset) in [("put failed and is tried again", 0), ("bad is refused", 2)] {
        let found = lines.with(message);
        let [line] = found.as_slice() else { panic!("{message}: {found:?}") };
        let fields = &line["fields"];
        assert_eq!((&fields["connector"], &fields["task"]), (&json!("numbers"), &json!(0)), "{line}");
        assert_eq!((&fields["topic"], &fields["partition"]), (&json!("numbers"), &json!(0)), "{line}");
        assert_eq!(fields["offset"], offset, "{line}");
        // What knows nothing of tasks says it by its surroundings.
        assert_eq!((&line["span"]["connector"], &line["span"]["task"]), (&json!("numbers"), &json!(0)), "{line}");
    }
}
