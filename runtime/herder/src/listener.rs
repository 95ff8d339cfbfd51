//! What the worker tells, as messages to the loop.

use crate::state_loop::{Message, Messages, TaskEvent};
use sluice_data::{ConnectorName, TaskId};
use sluice_worker::{TaskFailure, TaskListener};

pub(crate) struct HerderListener {
    pub messages: Messages,
}

impl HerderListener {
    fn tell(&self, id: &TaskId, event: TaskEvent) {
        self.messages.send(Message::Task { id: id.clone(), event });
    }
}

impl TaskListener for HerderListener {
    fn on_startup(&self, id: &TaskId) {
        self.tell(id, TaskEvent::Running);
    }

    fn on_pause(&self, id: &TaskId) {
        self.tell(id, TaskEvent::Paused);
    }

    fn on_resume(&self, id: &TaskId) {
        self.tell(id, TaskEvent::Running);
    }

    fn on_failure(&self, id: &TaskId, failure: TaskFailure) {
        self.tell(id, TaskEvent::Failed { trace: failure.trace });
    }

    fn on_shutdown(&self, id: &TaskId) {
        self.tell(id, TaskEvent::Shutdown);
    }

    fn on_topic(&self, id: &TaskId, topic: &str) {
        self.tell(id, TaskEvent::Topic { topic: topic.to_owned() });
    }

    fn on_reconfiguration_requested(&self, connector: &ConnectorName) {
        self.messages.send(Message::ReconfigurationRequested { connector: connector.clone() });
    }
}
