//! The source loop. Source: Kafka `AbstractWorkerSourceTask`, with KIP-618's atomicity by default.

use crate::clock::with_slack;
use crate::dead_letter::{DeadLetterQueue, Originals, PolledLetter, PolledRecord};
use crate::error_report::{ErrorReporter, RecordError, Stage};
use crate::retry::{RetryPolicy, jitter};
use crate::source_append::{Appends, SentAppend};
use crate::source_convert::{ConvertedRows, Converters};
use crate::task_config::ConnectorSettings;
use crate::task_error::TaskError;
use crate::task_run::TaskParts;
use crate::topics::TopicCreator;
use crate::transformation_chain::TransformationChain;
use sluice_connect_api::source::PolledBatches;
use sluice_connect_api::{ConnectError, ErrorKind, SourceOffsetPair, SourceTask};
use sluice_data::ConnectBatch;
use sluice_protocol::Compression;
use sluice_telemetry::SourceTaskMetrics;
use std::sync::Arc;
use std::time::Duration;

/// Appends on their way at once: one that syncs, one behind it.
const IN_FLIGHT_MAX: usize = 2;
/// While the log is busy, polls are gathered into one append up to here.
const PENDING_BYTES_MAX: usize = 2 << 20;
/// The wait after the first of several empty polls.
const IDLE_WAIT_MIN: Duration = Duration::from_millis(4);
/// How long a poll may go on once the task is to stop. What it would have given is polled again later.
const POLL_GRACE: Duration = Duration::from_millis(500);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(60);

pub(crate) struct WorkerSourceTask {
    parts: TaskParts,
    task: Box<dyn SourceTask>,
    chain: TransformationChain,
    converters: Converters,
    topics: TopicCreator,
    appends: Appends,
    errors: ErrorReporter,
    originals: Originals,
    metrics: SourceTaskMetrics,
    idle_wait: Duration,
    failed_polls: u32,
    /// A call was dropped half way when the task had to stop: the connector must not be called again.
    is_abandoned: bool,
}

impl WorkerSourceTask {
    /// # Errors
    /// Whatever the task needs and cannot have.
    pub async fn build(parts: TaskParts, settings: ConnectorSettings) -> Result<Self, TaskError> {
        let context = &parts.shared.context;
        let clock = context.clock.clone();
        let lifecycle = parts.lifecycle.clone();
        let converters = Converters::build(&settings, &context.plugins, clock.clone(), lifecycle.clone())?;
        let chain = TransformationChain::build(&settings, &context.plugins, clock.clone(), lifecycle).await?;
        // Fences an earlier run of this task before its offsets are read.
        let transactional_id = parts.transactional_id();
        let producer = parts.patiently(|| context.broker.producer(&transactional_id)).await?;
        let producer = parts.producer(producer);
        let factory = parts.plugin()?;
        let task = parts.lifecycle.abortable(factory.source_task(parts.context())).await?;
        let task = task.map_err(|source| parts.connector_error("start", source))?;
        let connector = &parts.spec.id.connector;
        let admin = context.broker.admin();
        let errors = ErrorReporter::new(&parts.spec.id, settings.errors.clone(), clock);
        let open = || DeadLetterQueue::open(&*admin, &settings.errors, &parts.spec.id, &errors.metrics);
        let dead_letters = parts.patiently(open).await?;
        let (offsets, budget) = (context.offsets.clone(), parts.shared.budget.clone());
        // An Apache Kafka's producer has a setting of its own for it.
        let codec = if context.config.waits_for_log { Compression::None } else { settings.compression };
        let appends = Appends::new(producer, offsets, connector, budget, dead_letters, codec);
        let originals = Originals::new(&context.plugins)?;
        let topics = TopicCreator::new(admin, settings.topic_creation.clone());
        let metrics = SourceTaskMetrics::new(connector.as_str(), parts.spec.id.index);
        let (idle_wait, failed_polls, is_abandoned) = (IDLE_WAIT_MIN, 0, false);
        Ok(Self {
            parts,
            task,
            chain,
            converters,
            topics,
            appends,
            errors,
            originals,
            metrics,
            idle_wait,
            failed_polls,
            is_abandoned,
        })
    }

    /// Runs until the task is stopped or fails.
    ///
    /// Exactly once into the log: records and offsets of a poll are one append. The next poll runs while the last append
    /// syncs.
    pub async fn run(mut self) -> Result<(), TaskError> {
        self.open().await?;
        while self.is_started().await? {
            let Some(polled) = self.poll().await? else { continue };
            self.begin_inspection(&polled);
            for batch in polled.batches {
                let rows = self.transform_and_convert(&batch).await?;
                self.append(&batch, rows).await?;
            }
            if self.chain.keeps_stages {
                self.parts.inspector.completed();
            }
            self.append_offsets(polled.offsets).await?;
            self.committed().await?;
            self.pause_if_asked().await?;
        }
        self.close().await
    }

    async fn open(&mut self) -> Result<(), TaskError> {
        let mut attempt = 0;
        loop {
            match self.parts.lifecycle.abortable(self.task.open()).await? {
                Ok(()) => break,
                Err(error) if error.kind == ErrorKind::Retriable => {
                    attempt += 1;
                    self.back_off("open", attempt, &error).await;
                    if self.parts.lifecycle.is_stopping() {
                        return Ok(());
                    }
                }
                Err(error) => return Err(self.parts.connector_error("open", error)),
            }
        }
        self.parts.started();
        Ok(())
    }

    /// Holds while the task is paused; `false` when it is to stop.
    async fn is_started(&mut self) -> Result<bool, TaskError> {
        while self.parts.lifecycle.is_paused() && !self.parts.lifecycle.is_stopping() {
            self.flush().await?;
            if self.parts.await_resume().await {
                self.parts.resumed();
            }
        }
        Ok(!self.parts.lifecycle.is_stopping())
    }

    /// What the connector has to give; `None`: nothing now, and the wait for it is over.
    async fn poll(&mut self) -> Result<Option<PolledBatches>, TaskError> {
        if self.parts.shared.budget.is_exhausted() {
            self.flush().await?;
        }
        let started = self.parts.shared.context.clock.monotonic();
        let Some(polled) = self.poll_and_append().await? else { return Ok(None) };
        let taken = self.parts.shared.context.clock.monotonic().saturating_sub(started);
        self.metrics.poll_batch_time_ms.took(taken);
        match polled {
            Ok(polled) if polled.is_empty() => {
                self.flush().await?;
                self.wait_for_input().await?;
                Ok(None)
            }
            Ok(polled) => {
                drop(self.parts.requests.take_event());
                (self.idle_wait, self.failed_polls) = (IDLE_WAIT_MIN, 0);
                let records = polled.batches.iter().map(|batch| batch.len() as u64).sum();
                self.metrics.record_poll.increment(records);
                self.parts.metrics.batch_size.set(records as f64);
                self.report_rejected(&polled).await?;
                Ok(Some(polled))
            }
            Err(error) if error.kind == ErrorKind::Retriable => {
                self.flush().await?;
                self.failed_polls += 1;
                self.back_off("poll", self.failed_polls, &error).await;
                Ok(None)
            }
            Err(error) => Err(self.parts.connector_error("poll", error)),
        }
    }

    /// Polls; meanwhile what is pending is appended as soon as the log has room. `None`: interrupted.
    async fn poll_and_append(&mut self) -> Result<Option<Result<PolledBatches, ConnectError>>, TaskError> {
        let Self { parts, task, appends, is_abandoned, .. } = self;
        let lifecycle = &parts.lifecycle;
        let grace = async {
            lifecycle.stopping().await;
            parts.shared.context.clock.sleep(POLL_GRACE).await;
        };
        let poll = lifecycle.abortable(task.poll());
        tokio::pin!(poll, grace);
        loop {
            let busy = appends.in_flight() >= IN_FLIGHT_MAX && !appends.pending.is_empty();
            tokio::select! {
                polled = &mut poll => return Ok(Some(polled?)),
                () = &mut grace => {
                    *is_abandoned = true;
                    return Ok(None);
                }
                () = appends.oldest_answered(), if busy => {
                    // Its offsets are told to the task when the poll is over.
                    appends.settle_oldest_later().await?;
                    appends.send_pending().await?;
                }
            }
        }
    }

    /// For this poll, whether anybody wants to see its records; shows them as they were polled.
    fn begin_inspection(&mut self, polled: &PolledBatches) {
        self.chain.keeps_stages = self.parts.inspector.is_watched();
        if self.chain.keeps_stages {
            let stage = ("polled".to_owned(), Some(self.parts.spec.class.as_str()));
            self.parts.inspector.batches(stage, &polled.batches, None, &self.parts.shared.context.plugins);
        }
    }

    /// What is left of a polled batch, ready for the log. Rows that fail become dead letters.
    async fn transform_and_convert(&mut self, polled: &ConnectBatch) -> Result<Vec<ConvertedRows>, TaskError> {
        let transformed = if self.chain.is_empty() {
            vec![polled.clone()]
        } else {
            let transformed = self.chain.apply(polled.clone()).await?;
            self.parts.show_links(&transformed.stages, None);
            self.report(polled, transformed.errors).await?;
            transformed.batches
        };
        let mut all = Vec::with_capacity(transformed.len());
        for batch in transformed.into_iter().filter(|batch| !batch.is_empty()) {
            self.converters.prepare_from_connect(&batch).await?;
            let (rows, errors) = self.converters.from_connect_data(batch);
            self.report(polled, errors).await?;
            if self.chain.keeps_stages {
                for rows in &rows {
                    let stage = ("converted".to_owned(), Some(&*self.converters.value_class));
                    self.parts.inspector.bytes(stage, &rows.batch, (rows.keys.as_ref(), rows.values.as_ref()));
                }
            }
            all.extend(rows);
        }
        Ok(all)
    }

    /// Adds rows to the pending append. Nothing of a poll is handed over before its offsets are there too.
    async fn append(&mut self, polled: &ConnectBatch, rows: Vec<ConvertedRows>) -> Result<(), TaskError> {
        let now_ms = self.parts.shared.context.clock.now_ms();
        for rows in &rows {
            if !self.topics.knows(rows.batch.topic()) {
                self.parts.uses_topic(rows.batch.topic());
            }
            while let Err(error) = self.topics.ensure(rows.batch.topic()).await {
                self.parts.wait_for_log(error).await?;
            }
            let errors = self.appends.pending.push(rows, &mut self.topics, now_ms).await?;
            self.report(polled, errors).await?;
        }
        Ok(())
    }

    /// Completes a poll, and hands what is pending over unless the log is busy.
    async fn append_offsets(&mut self, offsets: Vec<SourceOffsetPair>) -> Result<(), TaskError> {
        self.appends.pending.add_offsets(offsets);
        while self.appends.in_flight() >= IN_FLIGHT_MAX && self.appends.pending.size_bytes() >= PENDING_BYTES_MAX {
            self.appends.settle_oldest_later().await?;
        }
        if self.appends.in_flight() < IN_FLIGHT_MAX {
            self.appends.send_pending().await?;
        }
        self.metrics.record_active.set(self.appends.records_in_flight() as f64);
        Ok(())
    }

    /// Tells the task what has become durable by now.
    async fn committed(&mut self) -> Result<(), TaskError> {
        while let Some(sent) = self.appends.next_durable().await? {
            self.tell_committed(sent).await?;
        }
        Ok(())
    }

    async fn tell_committed(&mut self, sent: SentAppend) -> Result<(), TaskError> {
        self.metrics.record_write.increment(sent.records);
        self.metrics.bytes_written.increment(sent.size_bytes() as u64);
        if sent.records > 0 {
            self.metrics.transaction_size.set(sent.records as f64);
            self.parts.metrics.success.set(1.0);
        }
        if sent.offsets.is_empty() || self.is_abandoned {
            return Ok(());
        }
        if let Err(error) = self.parts.lifecycle.abortable(self.task.committed(sent.offsets)).await? {
            // The data is safe already; the connector hears of the next commit again.
            self.errors.metrics.record_errors.increment(1);
            tracing::warn!(code = error.details.code, "committed failed: {error}");
        }
        Ok(())
    }

    /// Waits until everything polled is durable.
    async fn flush(&mut self) -> Result<(), TaskError> {
        self.appends.send_pending().await?;
        while self.appends.in_flight() > 0 {
            self.appends.settle_oldest_later().await?;
        }
        self.committed().await?;
        self.metrics.record_active.set(0.0);
        Ok(())
    }

    async fn close(mut self) -> Result<(), TaskError> {
        self.flush().await?;
        let Self { parts, mut task, mut chain, is_abandoned, .. } = self;
        if is_abandoned {
            return Ok(());
        }
        parts.lifecycle.abortable(async { (chain.close().await, task.close().await) }).await?;
        Ok(())
    }

    /// Until the event that the connector asked for, or as long as it asked for, else twice as long as the last time.
    async fn wait_for_input(&mut self) -> Result<(), TaskError> {
        if let Some(event) = self.parts.requests.take_event() {
            self.parts.lifecycle.abortable(self.task.rest()).await?;
            tokio::select! {
                () = event => {}
                () = self.parts.lifecycle.interrupted() => {}
            }
            return Ok(());
        }
        let wait = self.parts.requests.take_pause().unwrap_or(self.idle_wait);
        self.idle_wait = (self.idle_wait * 2).min(self.parts.shared.context.config.poll_backoff_max);
        self.wait(wait).await;
        Ok(())
    }

    /// Who knows, with what it has just given, when it will have more need not be asked before.
    async fn pause_if_asked(&mut self) -> Result<(), TaskError> {
        if let Some(pause) = self.parts.requests.take_pause() {
            self.flush().await?;
            self.wait(pause).await;
        }
        Ok(())
    }

    async fn back_off(&mut self, operation: &str, attempt: u32, error: &ConnectError) {
        let asked = error.details.backoff_ms.map(|ms| Duration::from_millis(ms.into()));
        let policy = RetryPolicy::forever(RETRY_DELAY_MAX);
        let delay = asked.or_else(|| policy.delay(attempt, Duration::ZERO, jitter())).unwrap_or(RETRY_DELAY_MAX);
        self.errors.retried((operation, attempt), delay, &error.details.message, None);
        self.wait(delay).await;
    }

    async fn wait(&mut self, duration: Duration) {
        let Self { parts, .. } = self;
        let clock = &parts.shared.context.clock;
        tokio::select! {
            () = clock.sleep(with_slack(clock.monotonic(), duration)) => {}
            () = parts.lifecycle.interrupted() => {}
        }
    }

    /// Input that never became a record: its dead letter has only a cause.
    async fn report_rejected(&mut self, polled: &PolledBatches) -> Result<(), TaskError> {
        let topic = polled.batches.first().map_or_else(|| "".into(), |batch| Arc::clone(batch.topic()));
        for rejected in &polled.rejected {
            let details = &rejected.details;
            let (code, reason) = (details.code.clone(), details.message.clone());
            let class = self.parts.spec.class.as_str().into();
            let error = RecordError { row_id: -1, stage: Stage::TaskPoll, class, code, reason };
            self.report_one(PolledRecord::without_content(Arc::clone(&topic)), error).await?;
        }
        Ok(())
    }

    async fn report(&mut self, polled: &ConnectBatch, errors: Vec<RecordError>) -> Result<(), TaskError> {
        for error in errors {
            let found = self.originals.find(polled, error.row_id);
            let record = found.unwrap_or_else(|| PolledRecord::without_content(Arc::clone(polled.topic())));
            self.report_one(record, error).await?;
        }
        Ok(())
    }

    /// Counts and logs. The letter goes with the poll's append; without tolerance it is appended alone, and the task fails.
    async fn report_one(&mut self, record: PolledRecord, error: RecordError) -> Result<(), TaskError> {
        let reported = self.errors.report(&error, None);
        let letter = PolledLetter { record, error };
        if let Err(fatal) = reported {
            self.appends.send_letter(letter).await?;
            return Err(fatal);
        }
        self.appends.pending.add_letter(letter);
        Ok(())
    }
}
