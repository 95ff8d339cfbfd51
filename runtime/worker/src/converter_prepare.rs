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

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use sluice_storage::TargetState;
    use std::time::Duration;
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;

    /// Sleeps take no time and are counted.
    #[derive(Default)]
    struct Skipping(Mutex<Duration>);

    #[async_trait::async_trait]
    impl Clock for Skipping {
        fn now_ms(&self) -> i64 {
            0
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock()
        }

        async fn sleep(&self, duration: Duration) {
            *self.0.lock() += duration;
        }
    }

    /// How often a registry that is away `failures` times is asked, how long that takes, and what the task hears.
    async fn prepared(
        failures: u32,
        timeout: Option<Duration>,
        error: ConnectError,
    ) -> (u32, Duration, Result<(), TaskError>) {
        let clock = Arc::new(Skipping::default());
        let (_target, target) = watch::channel(TargetState::Started);
        let lifecycle = Lifecycle::new(target, CancellationToken::new(), CancellationToken::new());
        let retry = RetryPolicy { timeout, delay_max: Duration::from_secs(60) };
        let preparation = Preparation { retry, clock: clock.clone(), lifecycle };
        let mut asked = 0;
        let ended = preparation
            .run("A", || {
                asked += 1;
                std::future::ready(if asked > failures { Ok(()) } else { Err(error.clone()) })
            })
            .await;
        (asked, clock.monotonic(), ended)
    }

    #[tokio::test]
    async fn a_registry_that_is_away_is_asked_again_as_long_as_the_retry_timeout_says() {
        let away = || ConnectError::retriable("schema-registry", "away");
        let (asked, taken, ended) = prepared(2, None, away()).await;
        assert!(ended.is_ok());
        assert_eq!((asked, taken), (3, Duration::from_millis(900)));
        let (asked, _, ended) = prepared(100, Some(Duration::from_secs(1)), away()).await;
        assert_eq!(asked, 4, "at 0, 300, 900 and 1000 ms");
        let ended = ended.unwrap_err();
        assert!(ended.is_retriable(), "the task is started again: {ended}");
        let (asked, _, ended) = prepared(1, Some(Duration::ZERO), away()).await;
        assert!(asked == 1 && ended.is_err(), "without errors.retry.timeout the task fails at once");
        let refused = ConnectError::fatal("schema-registry", "no such user");
        let (asked, _, ended) = prepared(1, None, refused).await;
        assert!(asked == 1 && ended.is_err());
    }
}
