//! What converters fetch before they convert: schemas from a registry. A registry that is away is asked again as
//! `errors.retry.timeout` says; after that the task fails and is started again, so that no record is lost over it.

use crate::clock::Clock;
use crate::retry::{RetryPolicy, jitter};
use crate::sink_fetch::FetchedRows;
use crate::source_convert::Converters;
use crate::task_error::TaskError;
use crate::task_run::Lifecycle;
use arrow_array::{Array, BinaryArray};
use arrow_schema::{DataType, Field};
use sluice_connect_api::{ConnectError, Converter, ErrorKind};
use sluice_data::ConnectBatch;
use std::sync::Arc;

/// How often and how long a converter's preparation is tried.
pub(crate) struct Preparation {
    pub retry: RetryPolicy,
    pub clock: Arc<dyn Clock>,
    pub lifecycle: Lifecycle,
}

impl Converters {
    /// Before [`Converters::to_connect_data`] of these rows.
    ///
    /// # Errors
    /// [`TaskError::Connector`] when a converter cannot get what it needs.
    pub async fn prepare_to_connect(&self, topic: &str, rows: &FetchedRows) -> Result<(), TaskError> {
        for (converter, class, bytes) in
            [(&*self.key, &self.key_class, &rows.keys), (&*self.value, &self.value_class, &rows.values)]
        {
            if bytes.null_count() < bytes.len() {
                self.preparation.run(class, || prepare_bytes(converter, topic, bytes)).await?;
            }
        }
        Ok(())
    }

    /// Before [`Converters::from_connect_data`] of this batch.
    ///
    /// # Errors
    /// As [`Converters::prepare_to_connect`].
    pub async fn prepare_from_connect(&self, batch: &ConnectBatch) -> Result<(), TaskError> {
        for (converter, class, field) in
            [(&*self.key, &self.key_class, batch.key_field()), (&*self.value, &self.value_class, batch.value_field())]
        {
            if field.data_type() != &DataType::Null {
                self.preparation.run(class, || prepare_field(converter, batch.topic(), field)).await?;
            }
        }
        Ok(())
    }
}

async fn prepare_bytes(converter: &dyn Converter, topic: &str, bytes: &BinaryArray) -> Result<(), ConnectError> {
    converter.prepare_to_connect(topic, bytes).await
}

async fn prepare_field(converter: &dyn Converter, topic: &str, field: &Field) -> Result<(), ConnectError> {
    converter.prepare_from_connect(topic, field).await
}

impl Preparation {
    async fn run<F>(&self, class: &str, mut prepare: impl FnMut() -> F) -> Result<(), TaskError>
    where
        F: Future<Output = Result<(), ConnectError>>,
    {
        let started = self.clock.monotonic();
        let mut attempt = 0;
        loop {
            let Err(source) = self.lifecycle.abortable(prepare()).await? else { return Ok(()) };
            attempt += 1;
            let elapsed = self.clock.monotonic().saturating_sub(started);
            let may_retry = source.kind == ErrorKind::Retriable && !self.lifecycle.is_stopping();
            let Some(delay) = self.retry.delay(attempt, elapsed, jitter()).filter(|_| may_retry) else {
                return Err(TaskError::Connector { operation: "preparation", class: class.to_owned(), source });
            };
            tokio::select! {
                () = self.clock.sleep(delay) => {}
                () = self.lifecycle.stopping() => {}
            }
        }
    }
}
