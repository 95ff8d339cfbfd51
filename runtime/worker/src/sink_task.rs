//! The sink loop. Source: Kafka `WorkerSinkTask`, with the journalled batch plan in front of every delivery.

use crate::append::TaskProducer;
use crate::dead_letter::DeadLetterQueue;
use crate::error_report::ErrorReporter;
use crate::sink_assignment::{AssignedPartition, assignment, positions};
use crate::sink_batch::{Chunk, Now, Rotation};
use crate::sink_delivery::Uncommitted;
use crate::sink_fetch::decode;
use crate::sink_plan::PlanJournal;
use crate::source_convert::Converters;
use crate::task_config::{ConnectorSettings, OnGap, TaskConfigError, TopicSelection};
use crate::task_error::TaskError;
use crate::task_run::TaskParts;
use crate::transformation_chain::TransformationChain;
use sluice_client::{Consumer, FetchError, FetchPartition, FetchedPartition};
use sluice_connect_api::{PluginFactory, SinkTask};
use sluice_telemetry::SinkTaskMetrics;
use sluice_telemetry::event::GapFound;
use std::sync::Arc;
use std::time::Duration;

/// What one fetch asks for in all: a delivery costs two syncs, so there had better be much in it.
const FETCH_BYTES_MAX: usize = 4 << 20;
/// And at most such a part of what is left of the memory budget: where many tasks fetch, each fetches less.
const BUDGET_PART: usize = 16;
/// And of one partition at least so much.
const PARTITION_FETCH_BYTES_MIN: usize = 64 << 10;
/// Smaller batches do not end early when the budget is used up: Kafka's `max.partition.fetch.bytes`.
const RELIEVING_BATCH_BYTES: usize = 1 << 20;
/// Deliveries of a partition whose plans share an append.
const PLANNED_AT_ONCE: usize = 8;
/// An idle fetch waits for news, not for time; this only bounds it.
const FETCH_WAIT: Duration = Duration::from_secs(300);
/// While records keep coming, a commit waits at most so long for the next plan to share its append.
const COMMIT_DELAY_MAX: Duration = Duration::from_millis(200);

pub(crate) struct WorkerSinkTask {
    pub(crate) parts: TaskParts,
    pub(crate) settings: ConnectorSettings,
    topics: TopicSelection,
    pub(crate) group: String,
    factory: Arc<dyn PluginFactory>,
    pub(crate) task: Option<Box<dyn SinkTask>>,
    chain: TransformationChain,
    converters: Converters,
    pub(crate) rotation: Rotation,
    pub(crate) consumer: Arc<dyn Consumer>,
    pub(crate) producer: Arc<TaskProducer>,
    pub(crate) journal: PlanJournal,
    pub(crate) errors: ErrorReporter,
    pub(crate) metrics: SinkTaskMetrics,
    pub(crate) dead_letters: Option<DeadLetterQueue>,
    pub(crate) partitions: Vec<AssignedPartition>,
    pub(crate) uncommitted: Uncommitted,
    /// What reading ahead failed over; the task fails over it at the next poll.
    pub(crate) failed_ahead: Option<TaskError>,
    next_refresh: Duration,
    is_reassigned: bool,
    has_started: bool,
}

impl WorkerSinkTask {
    /// # Errors
    /// Whatever the task needs and cannot have.
    pub async fn build(parts: TaskParts, settings: ConnectorSettings) -> Result<Self, TaskError> {
        let context = &parts.shared.context;
        let (spec, clock) = (&parts.spec, context.clock.clone());
        let missing = || TaskConfigError { problems: vec!["Must configure one of topics or topics.regex".to_owned()] };
        let topics = settings.topics.clone().ok_or_else(missing)?;
        let lifecycle = parts.lifecycle.clone();
        let converters = Converters::build(&settings, &context.plugins, clock.clone(), lifecycle.clone())?;
        let chain = TransformationChain::build(&settings, &context.plugins, clock.clone(), lifecycle).await?;
        let factory = parts.plugin()?;
        // Fences an earlier run of this task before its plans and offsets are read.
        let transactional_id = parts.transactional_id();
        let producer = parts.patiently(|| context.broker.producer(&transactional_id)).await?;
        let producer = Arc::new(parts.producer(producer));
        let (connector, version) = (&spec.id.connector, &factory.definition().version);
        let generation = spec.offsets_generation;
        let journal = PlanJournal::new(context.plans.clone(), connector, generation, &spec.connector_config, version);
        let errors = ErrorReporter::new(&spec.id, settings.errors.clone(), clock);
        let admin = context.broker.admin();
        let open = || DeadLetterQueue::open(&*admin, &settings.errors, &spec.id, &errors.metrics);
        let dead_letters = parts.patiently(open).await?;
        let group = spec.connector_config.get("consumer.override.group.id").cloned();
        Ok(Self {
            topics,
            group: group.unwrap_or_else(|| format!("connect-{connector}")),
            factory,
            task: None,
            chain,
            converters,
            rotation: Rotation::new(&spec.capabilities, settings.max_poll_records),
            consumer: context.broker.consumer(),
            producer,
            journal,
            errors,
            metrics: SinkTaskMetrics::new(connector.as_str(), spec.id.index),
            dead_letters,
            partitions: Vec::new(),
            uncommitted: Uncommitted::default(),
            failed_ahead: None,
            next_refresh: Duration::ZERO,
            is_reassigned: false,
            has_started: false,
            settings,
            parts,
        })
    }

    /// Runs until the task is stopped or fails.
    ///
    /// Exactly once into a target that recognises a delivery's identity: its plan is durable before it is put, and ends in
    /// the same append that commits the offsets and holds the dead letters. The assignment is fixed for one connector
    /// instance; when it changes, a new one is opened.
    pub async fn run(mut self) -> Result<(), TaskError> {
        while self.open().await? {
            self.finish_planned().await?;
            while self.is_started().await? {
                let fetched = self.poll().await?;
                let is_idle = fetched.is_empty() && !self.has_due_batch();
                for (index, fetched) in fetched {
                    let chunk = self.convert_and_transform(index, &fetched.records, i64::MAX).await?;
                    self.collect(index, chunk);
                }
                self.count_active();
                self.deliver_due().await?;
                self.commit_if_due(is_idle).await?;
            }
            self.close().await?;
        }
        Ok(())
    }

    /// A new connector instance for the partitions as they are now; `false` when the task is to stop.
    async fn open(&mut self) -> Result<bool, TaskError> {
        if self.parts.lifecycle.is_stopping() {
            return Ok(false);
        }
        let broker = self.parts.shared.context.broker.clone();
        let assigned = self.assignment().await?;
        let positions = || positions(&*broker, &self.group, assigned.clone(), self.settings.offset_reset);
        self.partitions = self.parts.patiently(positions).await?;
        self.metrics.partition_count.set(self.partitions.len() as f64);
        self.find_lost_tails().await?;
        self.is_reassigned = false;
        let task = self.parts.lifecycle.abortable(self.factory.sink_task(self.parts.context())).await?;
        self.task = Some(task.map_err(|source| self.parts.connector_error("start", source))?);
        for index in 0..self.partitions.len() {
            let topic = Arc::clone(&self.partitions[index].partition.topic);
            self.parts.uses_topic(&topic);
        }
        if !self.open_connector().await? {
            return Ok(false);
        }
        if !self.has_started {
            self.has_started = true;
            self.parts.started();
        }
        Ok(true)
    }

    /// Holds while the task is paused; `false` when it is to stop or its partitions are others now.
    async fn is_started(&mut self) -> Result<bool, TaskError> {
        while self.parts.lifecycle.is_paused() && !self.parts.lifecycle.is_stopping() {
            self.commit().await?;
            for partition in &mut self.partitions {
                partition.batch = Default::default();
                partition.position = partition.closed;
            }
            if self.parts.await_resume().await {
                self.parts.resumed();
            }
        }
        self.refresh_if_due().await?;
        Ok(!self.is_reassigned && !self.parts.lifecycle.is_stopping())
    }

    /// Fetches what there is; waits for news, for the end of a batch, or for the user. Empty: nothing came, or a batch ends.
    async fn poll(&mut self) -> Result<Vec<(usize, FetchedPartition)>, TaskError> {
        if let Some(error) = self.failed_ahead.take() {
            self.commit().await?;
            return Err(error);
        }
        let wanted = self.fetch_requests();
        let is_due = self.has_due_batch();
        let wait = if self.uncommitted.is_empty() { FETCH_WAIT } else { Duration::ZERO };
        let wake_up = self.next_wake_up();
        let Self { parts, consumer, .. } = self;
        let clock = &parts.shared.context.clock;
        let fetched = tokio::select! {
            biased;
            () = parts.lifecycle.interrupted() => return Ok(Vec::new()),
            () = parts.requests.commit_requested() => {
                self.pre_commit_all().await?;
                return Ok(Vec::new());
            }
            () = std::future::ready(()), if is_due => return Ok(Vec::new()),
            fetched = consumer.fetch(&wanted, wait), if !wanted.is_empty() => fetched,
            () = clock.sleep(wake_up) => return Ok(Vec::new()),
        };
        let mut filled = Vec::new();
        for (index, fetched) in fetched.into_iter().enumerate() {
            match fetched {
                Ok(fetched) => {
                    let partition = &mut self.partitions[index];
                    partition.high_watermark = fetched.high_watermark;
                    let position = partition.position;
                    if fetched.log_start_offset > position {
                        self.gap(index, fetched.log_start_offset)?;
                    } else if !fetched.records.is_empty() {
                        filled.push((index, fetched));
                    }
                }
                Err(error) => self.fetch_failed(index, error).await?,
            }
        }
        let lag = self.partitions.iter().map(|partition| partition.high_watermark - partition.position).max();
        self.metrics.record_lag_max.set(lag.unwrap_or(0) as f64);
        Ok(filled)
    }

    /// Offsets that were read and not committed. Source: Kafka `SinkTaskMetricsGroup`.
    pub(crate) fn count_active(&self) {
        let active: i64 = self.partitions.iter().map(|partition| partition.position - partition.vouched).sum();
        self.metrics.record_active.set(active.max(0) as f64);
    }

    /// Record batches from the partition's position to `last` → Connect batches. Rows that fail are in the chunk's errors;
    /// without tolerance they are reported, and the task fails.
    pub(crate) async fn convert_and_transform(
        &mut self,
        index: usize,
        records: &[u8],
        last: i64,
    ) -> Result<Chunk, TaskError> {
        let AssignedPartition { partition, position, .. } = &self.partitions[index];
        let (partition, first) = (partition.clone(), *position);
        let rows = decode(records, first, last);
        let rows =
            rows.map_err(|error| TaskError::Unreadable { partition: partition.clone(), reason: error.to_string() })?;
        self.metrics.record_read.increment(rows.offsets.len() as u64);
        self.metrics.bytes_read.increment(records.len() as u64);
        let place = (&*partition.topic, partition.partition);
        self.chain.keeps_stages = self.parts.inspector.is_watched();
        if self.chain.keeps_stages {
            self.parts.inspector.fetched(("read".to_owned(), None), place, &rows);
        }
        let mut chunk = Chunk { first, last: rows.next_offset - 1, ..Chunk::default() };
        let bad_batch = |error: sluice_data::BatchError| TaskError::BadBatch { reason: error.to_string() };
        self.converters.prepare_to_connect(&partition.topic, &rows).await?;
        let (batches, errors) = self.converters.to_connect_data(&partition.topic, &rows).map_err(bad_batch)?;
        chunk.errors = errors;
        if self.chain.keeps_stages {
            let stage = ("converted".to_owned(), Some(&*self.converters.value_class));
            self.parts.inspector.batches(stage, &batches, Some(place.1), &self.parts.shared.context.plugins);
        }
        for batch in batches {
            let transformed = self.chain.apply(batch).await?;
            self.parts.show_links(&transformed.stages, Some(place.1));
            chunk.errors.extend(transformed.errors);
            chunk.batches.extend(transformed.batches);
        }
        self.report(index, &chunk.errors).await?;
        if self.chain.keeps_stages {
            self.parts.inspector.completed();
        }
        Ok(chunk)
    }

    pub(crate) fn collect(&mut self, index: usize, chunk: Chunk) {
        let held = self.parts.shared.budget.reserve(chunk.size_bytes());
        let now = self.now();
        let partition = &mut self.partitions[index];
        partition.position = chunk.last + 1;
        partition.batch.collect(chunk, Some(held), now);
    }

    /// Delivers the batches that end now, several of a partition under one append of their plans. More may be due then, also by
    /// what was read meanwhile: their turn comes after commits and the user's.
    async fn deliver_due(&mut self) -> Result<(), TaskError> {
        loop {
            let now = self.now();
            let mut closed = Vec::new();
            for (index, partition) in self.partitions.iter_mut().enumerate() {
                for _ in 0..PLANNED_AT_ONCE {
                    let batch = partition.batch.close_due(&self.rotation, now);
                    let batch = batch.map_err(|error| TaskError::BadBatch { reason: error.to_string() })?;
                    let Some(batch) = batch else { break };
                    closed.push((index, batch));
                }
            }
            if closed.is_empty() {
                closed.extend(self.close_largest_under_pressure(now)?);
            }
            if closed.is_empty() || !self.deliver(closed).await? || self.has_due_batch() {
                return Ok(());
            }
        }
    }

    /// When the budget is used up, the largest batch ends early.
    fn close_largest_under_pressure(
        &mut self,
        now: Now,
    ) -> Result<Option<(usize, crate::sink_batch::ClosedBatch)>, TaskError> {
        let largest = self.partitions.iter_mut().enumerate().max_by_key(|(_, partition)| partition.batch.bytes());
        let Some((index, partition)) = largest else { return Ok(None) };
        // A task may always hold one fetch.
        if !self.parts.shared.budget.is_exhausted() || partition.batch.bytes() < RELIEVING_BATCH_BYTES {
            return Ok(None);
        }
        let closed = partition.batch.close(now).map_err(|error| TaskError::BadBatch { reason: error.to_string() })?;
        Ok(Some((index, closed)))
    }

    async fn commit_if_due(&mut self, is_idle: bool) -> Result<(), TaskError> {
        let waited = self.uncommitted.since.map(|since| self.now().monotonic.saturating_sub(since));
        if is_idle || waited.is_some_and(|waited| waited >= COMMIT_DELAY_MAX) {
            self.commit().await?;
        }
        Ok(())
    }

    /// Commits what was delivered and lets the connector go. Batches that have not ended are read again.
    async fn close(&mut self) -> Result<(), TaskError> {
        if self.task.is_some() {
            self.pre_commit_all().await?;
        }
        self.commit().await?;
        if let Some(mut task) = self.task.take() {
            self.parts.lifecycle.abortable(task.close()).await?;
        }
        if self.parts.lifecycle.is_stopping() {
            self.parts.lifecycle.abortable(self.chain.close()).await?;
        }
        Ok(())
    }

    async fn assignment(&mut self) -> Result<Vec<(sluice_client::TopicPartition, sluice_client::TopicId)>, TaskError> {
        let context = &self.parts.shared.context;
        let task = (self.parts.spec.id.index, self.parts.spec.task_count);
        let ask = || assignment(&*context.broker, &self.topics, task);
        let assigned = self.parts.patiently(ask).await?;
        // While there is nothing to read, somebody is probably about to create it.
        let every = if assigned.is_empty() { 1 } else { 5 };
        self.next_refresh = context.clock.monotonic() + context.config.metadata_refresh * every;
        Ok(assigned)
    }

    async fn refresh_if_due(&mut self) -> Result<(), TaskError> {
        if self.now().monotonic >= self.next_refresh {
            let assigned = self.assignment().await?;
            let current = self.partitions.iter().map(|assigned| (&assigned.partition, assigned.topic_id));
            self.is_reassigned = !current.eq(assigned.iter().map(|(partition, id)| (partition, *id)));
            self.pre_commit_all().await?;
        }
        Ok(())
    }

    /// What one fetch asks for, of all partitions.
    pub(crate) fn fetch_bytes(&self) -> usize {
        FETCH_BYTES_MAX.min(self.parts.shared.budget.free_bytes() / BUDGET_PART)
    }

    pub(crate) fn fetch_requests(&self) -> Vec<FetchPartition> {
        let max_bytes = PARTITION_FETCH_BYTES_MIN.max(self.fetch_bytes() / self.partitions.len().max(1));
        let max_bytes = self.settings.max_partition_fetch_bytes.map_or(max_bytes, |limit| max_bytes.min(limit.get()));
        let request = |assigned: &AssignedPartition| FetchPartition {
            partition: assigned.partition.clone(),
            offset: assigned.position,
            max_bytes,
        };
        self.partitions.iter().map(request).collect()
    }

    fn next_wake_up(&self) -> Duration {
        let now = self.now();
        let refresh = self.next_refresh.saturating_sub(now.monotonic);
        let rotations = self.partitions.iter().filter_map(|partition| partition.batch.wait(&self.rotation, now));
        rotations.chain([refresh]).min().unwrap_or(refresh)
    }

    pub(crate) async fn fetch_failed(&mut self, index: usize, error: FetchError) -> Result<(), TaskError> {
        match error {
            FetchError::OffsetOutOfRange { log_start_offset, high_watermark, offset, .. } => {
                let found = if offset < log_start_offset { log_start_offset } else { high_watermark };
                self.gap(index, found)
            }
            FetchError::UnknownTopicOrPartition { .. } => {
                self.next_refresh = Duration::ZERO;
                self.refresh_if_due().await
            }
            FetchError::Corrupt { .. } | FetchError::Unavailable { .. } => self.parts.wait_for_log(error.into()).await,
        }
    }

    /// Positions beyond the log's end: it has lost records that were committed as read. Looked for before anything else is appended
    /// there, since what comes from now on is new.
    async fn find_lost_tails(&mut self) -> Result<(), TaskError> {
        for index in 0..self.partitions.len() {
            let AssignedPartition { partition, position, .. } = &self.partitions[index];
            let end = self.parts.patiently(|| self.consumer.end_offset(partition)).await?;
            if *position > end {
                self.gap(index, end)?;
            }
        }
        Ok(())
    }

    /// Records that were never read are gone.
    fn gap(&mut self, index: usize, found: i64) -> Result<(), TaskError> {
        let assigned = &mut self.partitions[index];
        let expected = assigned.position;
        GapFound {
            labels: self.errors.labels(),
            topic: &assigned.partition.topic,
            partition: assigned.partition.partition,
            expected_offset: expected,
            found_offset: found,
        }
        .emit(&self.metrics);
        if self.settings.on_gap == OnGap::Fail {
            return Err(TaskError::Gap { partition: assigned.partition.clone(), expected, found });
        }
        assigned.position = found;
        if assigned.batch.is_empty() {
            assigned.closed = found;
        }
        Ok(())
    }

    pub(crate) fn now(&self) -> Now {
        let clock = &self.parts.shared.context.clock;
        Now { monotonic: clock.monotonic(), wall_ms: clock.now_ms() }
    }
}
