//! The resource `operation`.

use crate::bindings::errors::Error;
use crate::bindings::operations;
use crate::error::{CapabilityError, HostResult};
use crate::state::{AbortOnDrop, GuestState, Operation, OperationTask};
use std::future::Future;
use wasmtime::component::Resource;

impl Operation {
    /// Starts `work` on the current runtime.
    pub fn spawn(work: impl Future<Output = Result<String, Error>> + Send + 'static) -> Self {
        Self { task: OperationTask::Running(AbortOnDrop(tokio::spawn(work))) }
    }

    async fn wait(&mut self) -> Result<String, Error> {
        if let OperationTask::Running(running) = &mut self.task {
            let answer = (&mut running.0).await.unwrap_or_else(|error| {
                Err(CapabilityError::fatal("operation.failed", format!("the work in the background ended: {error}")))
            });
            self.task = OperationTask::Done(answer);
        }
        match &self.task {
            OperationTask::Done(answer) => answer.clone(),
            OperationTask::Running(_) => unreachable!("it was waited for"),
        }
    }

    fn is_finished(&self) -> bool {
        match &self.task {
            OperationTask::Running(running) => running.0.is_finished(),
            OperationTask::Done(_) => true,
        }
    }
}

impl operations::Host for GuestState {}

impl operations::HostOperation for GuestState {
    async fn wait(&mut self, this: Resource<Operation>) -> HostResult<String> {
        let answer = self.entered_host().get_mut(&this)?.wait().await;
        self.entered_host();
        Ok(answer)
    }

    async fn try_result(&mut self, this: Resource<Operation>) -> wasmtime::Result<Option<Result<String, Error>>> {
        let operation = self.entered_host().get_mut(&this)?;
        Ok(if operation.is_finished() { Some(operation.wait().await) } else { None })
    }

    async fn drop(&mut self, this: Resource<Operation>) -> wasmtime::Result<()> {
        self.entered_host().delete(this)?;
        Ok(())
    }
}
