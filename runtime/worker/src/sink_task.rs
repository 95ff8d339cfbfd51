//! The sink loop.

use crate::task_config::ConnectorSettings;
use crate::task_error::TaskError;
use crate::task_run::TaskParts;
use sluice_connect_api::SinkTask;

pub(crate) struct WorkerSinkTask {
    parts: TaskParts,
    task: Box<dyn SinkTask>,
}

impl WorkerSinkTask {
    pub async fn build(parts: TaskParts, _settings: ConnectorSettings) -> Result<Self, TaskError> {
        let factory = parts.shared.context.plugins.connector(&parts.spec.class)?;
        let task = factory.sink_task(parts.context()).await;
        let class = parts.spec.class.clone();
        let task = task.map_err(|source| TaskError::Connector { operation: "start", class, source })?;
        Ok(Self { parts, task })
    }

    pub async fn run(mut self) -> Result<(), TaskError> {
        self.parts.started();
        self.parts.lifecycle.stopping().await;
        self.task.close().await;
        Ok(())
    }
}
