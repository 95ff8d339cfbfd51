//! One delivery: plan → put → pre_commit → commit. The second half of the sink loop.

use crate::append::TaskProducer;
use crate::budget::{MemoryBudget, Reservation};
use crate::config::PlanMode;
use crate::dead_letter::DeadLetter;
use crate::error_report::{Origin, RecordError, Stage};
use crate::retry::{RetryPolicy, jitter};
use crate::sink_batch::ClosedBatch;
use crate::sink_plan::{Plan, topic_id_text};
use crate::sink_task::WorkerSinkTask;
use crate::task_config::ErrorTolerance;
use crate::task_error::TaskError;
use sluice_client::{Append, FetchPartition, GroupOffset, TopicPartition};
use sluice_connect_api::sink::PartitionOffset;
use sluice_connect_api::{ConnectError, Delivery, ErrorKind, RecordFailure};
use sluice_data::ConnectBatch;
use sluice_storage::{TopicLog, TopicLogEntry};
use sluice_telemetry::event::RecordCoordinates;
use sluice_telemetry::fail_point;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const RETRY_DELAY_MAX: Duration = Duration::from_secs(60);
/// More dead letters do not wait for the next plan to share its append.
const WAITING_LETTER_BYTES_MAX: usize = 4 << 20;

/// What was delivered and waits for its commit.
#[derive(Default)]
pub(crate) struct Uncommitted {
    partitions: BTreeSet<usize>,
    letters: Vec<DeadLetter>,
    /// Of the memory budget, for the letters.
    held: Option<Reservation>,
    /// The one that the task fails over: its offset is not committed, so it comes again when the task is started again.
    last_letter: Option<DeadLetter>,
    /// The oldest of it, on the clock that never goes back.
    pub since: Option<Duration>,
}

impl Uncommitted {
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty() && self.letters.is_empty() && self.last_letter.is_none()
    }

    fn add_letters(&mut self, letters: impl Iterator<Item = DeadLetter>, budget: &MemoryBudget) {
        let known = self.letters.len();
        self.letters.extend(letters);
        let added = budget.reserve(self.letters[known..].iter().map(|letter| letter.error.letter_bytes()).sum());
        match &mut self.held {
            Some(held) => held.merge(added),
            None => self.held = Some(added),
        }
    }

    fn letter_bytes(&self) -> usize {
        self.held.as_ref().map_or(0, Reservation::bytes)
    }
}

/// A batch under its plan.
struct Planned {
    index: usize,
    plan: Plan,
    batch: ClosedBatch,
    is_replay: bool,
}

/// What one append stores, with the entries of the plan journal that take effect with it.
struct PreparedAppend {
    append: Append,
    entries: Arc<Vec<TopicLogEntry>>,
}

impl PreparedAppend {
    fn is_commit(&self) -> bool {
        !self.append.group_offsets.is_empty()
    }

    /// Until it is durable, waiting as long as the log takes nothing.
    async fn store(self, producer: Arc<TaskProducer>, log: Arc<TopicLog>) -> Result<(), TaskError> {
        if self.is_commit() {
            fail_point::hit("sink.before_commit");
        }
        loop {
            let (log, entries) = (Arc::clone(&log), Arc::clone(&self.entries));
            let mut in_flight = producer.send(&self.append, None, move || log.apply(&entries)).await?;
            match in_flight.durable().await {
                Ok(_) => return Ok(()),
                Err(error) => producer.wait_for_room(error).await?,
            }
        }
    }
}

impl WorkerSinkTask {
    /// Opens the connector for the assignment; `false` when the task is to stop before it succeeded.
    pub(crate) async fn open_connector(&mut self) -> Result<bool, TaskError> {
        let assignment = self.partitions.iter().map(|assigned| &assigned.partition);
        let assignment: Vec<_> =
            assignment.map(|partition| (partition.topic.to_string(), partition.partition)).collect();
        let mut attempt = 0;
        loop {
            let task = self.task.as_mut().expect("made just before it is opened");
            match self.parts.lifecycle.abortable(task.open(&assignment)).await? {
                Ok(()) => return Ok(true),
                Err(error) if error.kind == ErrorKind::Retriable => {
                    attempt += 1;
                    if !self.back_off("open", attempt, &error).await {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(self.parts.connector_error("open", error)),
            }
        }
    }

    /// Delivers what an earlier run has planned and perhaps delivered: exactly the same ranges under the same tokens,
    /// whatever the configuration says now.
    pub(crate) async fn finish_planned(&mut self) -> Result<(), TaskError> {
        for index in 0..self.partitions.len() {
            let assigned = &mut self.partitions[index];
            let mut plans = self.journal.unfinished(&assigned.partition, assigned.topic_id);
            // Offsets were moved past it without raising the generation: it is over.
            plans.retain(|plan| plan.first >= assigned.vouched);
            assigned.plans.clone_from(&plans);
            for plan in plans {
                let batch = self.read_planned(index, &plan).await?;
                let planned = Planned { index, plan, batch, is_replay: true };
                if !self.put_planned(planned).await? {
                    return Ok(());
                }
            }
        }
        self.pre_commit_all().await
    }

    /// Plans the batches, all in one append that also commits what was delivered before, and delivers them. `false` when
    /// the task is to stop before all are delivered; their plans stay. Meanwhile what comes next is read.
    pub(crate) async fn deliver(&mut self, closed: Vec<(usize, ClosedBatch)>) -> Result<bool, TaskError> {
        let indices: Vec<usize> = closed.iter().map(|(index, _)| *index).collect();
        for planned in self.plan(closed).await? {
            if !self.put_planned(planned).await? {
                return Ok(false);
            }
        }
        self.pre_commit(&indices).await?;
        // A sink with offsets of its own remembers only so many refused rows: their letters do not wait. Nor do many.
        let may_wait = if self.journals_plans() { WAITING_LETTER_BYTES_MAX } else { 0 };
        if self.uncommitted.letter_bytes() > may_wait {
            self.commit().await?;
        }
        Ok(true)
    }

    async fn plan(&mut self, closed: Vec<(usize, ClosedBatch)>) -> Result<Vec<Planned>, TaskError> {
        let now_ms = self.now().wall_ms;
        let is_journalled = self.journals_plans();
        let mut planned = Vec::new();
        for (index, batch) in closed {
            let assigned = &mut self.partitions[index];
            let range = (batch.first, batch.last);
            let plan = self.journal.plan(&assigned.partition, assigned.topic_id, range, now_ms);
            if is_journalled && batch.records > 0 {
                assigned.plans.push(plan.clone());
                assigned.plans_changed = true;
            }
            planned.push(Planned { index, plan, batch, is_replay: false });
        }
        if is_journalled && planned.iter().any(|planned| planned.batch.records > 0) {
            fail_point::hit("sink.before_plan");
            self.append_reading_ahead().await?;
            fail_point::hit("sink.after_plan");
        }
        Ok(planned)
    }

    /// Who keeps its offsets beside its records knows by itself what is delivered.
    fn journals_plans(&self) -> bool {
        let is_on = self.parts.shared.context.config.plan_mode == PlanMode::Journalled;
        is_on && !self.parts.spec.capabilities.keeps_own_offsets()
    }

    async fn put_planned(&mut self, planned: Planned) -> Result<bool, TaskError> {
        let Planned { index, ref plan, ref batch, is_replay } = planned;
        let mut errors = Vec::new();
        if batch.records > 0 {
            let Some(refused) = self.put(index, plan, batch, is_replay).await? else { return Ok(false) };
            fail_point::hit("sink.after_put");
            self.metrics.record_send.increment(batch.records as u64);
            self.report(index, &refused).await?;
            errors = refused;
        }
        let assigned = &mut self.partitions[index];
        assigned.closed = plan.last + 1;
        assigned.position = assigned.position.max(assigned.closed);
        let letters = planned.batch.errors.into_iter().chain(errors);
        let partition = assigned.partition.clone();
        let letters = letters.map(|error| DeadLetter { partition: partition.clone(), error });
        self.uncommitted.add_letters(letters, &self.parts.shared.budget);
        Ok(true)
    }

    /// Puts until it succeeds; a part that is refused as a whole is put by halves. `None`: the task is to stop.
    async fn put(
        &mut self,
        index: usize,
        plan: &Plan,
        batch: &ClosedBatch,
        is_replay: bool,
    ) -> Result<Option<Vec<RecordError>>, TaskError> {
        let mut refused = Vec::new();
        let mut todo = vec![(plan.first, plan.last)];
        let mut attempt = 0;
        while let Some((first, last)) = todo.pop() {
            let batches = batch.part(first, last);
            if batches.is_empty() {
                continue;
            }
            let delivery = self.delivery(index, plan, (first, last), is_replay || attempt > 0);
            let started = self.now().monotonic;
            let answer = self.put_once(&delivery, &batches).await?;
            self.metrics.put_batch_time_ms.took(self.now().monotonic.saturating_sub(started));
            let records: usize = batches.iter().map(ConnectBatch::len).sum();
            self.parts.metrics.batch_size.set(records as f64);
            match answer {
                Ok(failures) => {
                    attempt = 0;
                    refused.extend(failures.into_iter().map(|failure| self.put_error(failure)));
                }
                Err(error) if error.kind == ErrorKind::Retriable => {
                    attempt += 1;
                    todo.push((first, last));
                    if !self.back_off_at((index, first), attempt, &error).await {
                        return Ok(None);
                    }
                }
                Err(error) if error.kind == ErrorKind::Rejected && records == 1 => {
                    let row_id = batches[0].row_ids().value(0);
                    refused.push(self.put_error(RecordFailure { row_id, details: error.details }));
                }
                Err(error) if error.kind == ErrorKind::Rejected && self.is_tolerant() => {
                    let middle = middle_offset(&batches);
                    todo.push((middle + 1, last));
                    todo.push((first, middle));
                }
                Err(error) => return Err(self.parts.connector_error("put", error)),
            }
        }
        Ok(Some(refused))
    }

    /// A new delivery is put while what comes next is read; behind a replayed one the position is not known yet.
    async fn put_once(
        &mut self,
        delivery: &Delivery,
        batches: &[ConnectBatch],
    ) -> Result<Result<Vec<RecordFailure>, ConnectError>, TaskError> {
        let mut task = self.task.take().expect("open while batches are delivered");
        let lifecycle = self.parts.lifecycle.clone();
        let put = lifecycle.abortable(task.put(delivery, batches));
        let answer = if delivery.is_replay { put.await? } else { self.while_reading_ahead(put).await? };
        self.task = Some(task);
        Ok(answer)
    }

    /// Asks the connector up to where everything put is durable. What it does not vouch for stays planned.
    pub(crate) async fn pre_commit(&mut self, indices: &[usize]) -> Result<(), TaskError> {
        let wanted = indices.iter().map(|index| &self.partitions[*index]).map(|assigned| PartitionOffset {
            topic: assigned.partition.topic.to_string(),
            partition: assigned.partition.partition,
            offset: assigned.closed,
        });
        let wanted: Vec<PartitionOffset> = wanted.collect();
        let Some(task) = self.task.as_mut() else { return Ok(()) };
        let mut attempt = 0;
        let vouched = loop {
            match self.parts.lifecycle.abortable(task.pre_commit(&wanted)).await? {
                Ok(vouched) => break vouched,
                Err(error) if error.kind == ErrorKind::Retriable => {
                    attempt += 1;
                    if !back_off(&mut self.parts, &self.errors, ("pre_commit", attempt), &error, None).await {
                        return Ok(());
                    }
                }
                Err(error) => return Err(self.parts.connector_error("pre_commit", error)),
            }
        };
        let vouched: BTreeMap<(&str, i32), i64> =
            vouched.iter().map(|at| ((at.topic.as_str(), at.partition), at.offset)).collect();
        let now = self.now().monotonic;
        for index in indices {
            let assigned = &mut self.partitions[*index];
            let key = (&*assigned.partition.topic, assigned.partition.partition);
            // Beyond what was delivered nothing can be vouched for.
            let offset = vouched.get(&key).map_or(assigned.vouched, |offset| (*offset).min(assigned.closed));
            if offset > assigned.vouched {
                assigned.vouched = offset;
                let plans = assigned.plans.len();
                assigned.plans.retain(|plan| plan.last >= offset);
                assigned.plans_changed |= plans != assigned.plans.len();
                self.uncommitted.partitions.insert(*index);
                self.uncommitted.since.get_or_insert(now);
            }
        }
        Ok(())
    }

    pub(crate) async fn pre_commit_all(&mut self) -> Result<(), TaskError> {
        let delivered = |index: &usize| self.partitions[*index].closed > self.partitions[*index].vouched;
        let indices: Vec<usize> = (0..self.partitions.len()).filter(delivered).collect();
        if indices.is_empty() { Ok(()) } else { self.pre_commit(&indices).await }
    }

    /// Commits what is delivered and vouched for, if there is any.
    pub(crate) async fn commit(&mut self) -> Result<(), TaskError> {
        if self.uncommitted.is_empty() { Ok(()) } else { self.append().await }
    }

    /// Letters whose offsets are committed with them. The others wait: a death in between would write them twice.
    fn take_settled_letters(&mut self, letters: Vec<DeadLetter>) -> Vec<DeadLetter> {
        if letters.is_empty() {
            return letters;
        }
        let vouched: BTreeMap<(&str, i32), i64> =
            self.partitions.iter().map(|at| ((&*at.partition.topic, at.partition.partition), at.vouched)).collect();
        let is_settled = |letter: &DeadLetter| {
            let vouched = vouched.get(&(&*letter.partition.topic, letter.partition.partition));
            vouched.is_none_or(|vouched| letter.error.row_id < *vouched)
        };
        let (settled, waiting): (_, Vec<DeadLetter>) = letters.into_iter().partition(is_settled);
        self.uncommitted.add_letters(waiting.into_iter(), &self.parts.shared.budget);
        settled
    }

    /// One append: changed plans, offsets, dead letters.
    async fn append(&mut self) -> Result<(), TaskError> {
        let Some(prepared) = self.prepare_append().await? else { return Ok(()) };
        let is_commit = prepared.is_commit();
        prepared.store(Arc::clone(&self.producer), Arc::clone(self.journal.log())).await?;
        self.appended(is_commit);
        Ok(())
    }

    /// As [`WorkerSinkTask::append`]; meanwhile what comes next is read.
    async fn append_reading_ahead(&mut self) -> Result<(), TaskError> {
        let Some(prepared) = self.prepare_append().await? else { return Ok(()) };
        let is_commit = prepared.is_commit();
        let stored = prepared.store(Arc::clone(&self.producer), Arc::clone(self.journal.log()));
        self.while_reading_ahead(stored).await?;
        self.appended(is_commit);
        Ok(())
    }

    /// Takes what there is to append; `None`: nothing.
    async fn prepare_append(&mut self) -> Result<Option<PreparedAppend>, TaskError> {
        let uncommitted = std::mem::take(&mut self.uncommitted);
        let mut letters = self.take_settled_letters(uncommitted.letters);
        letters.extend(uncommitted.last_letter);
        let mut append = Append::default();
        let mut entries = Vec::new();
        if self.parts.shared.context.config.plan_mode == PlanMode::Journalled {
            for assigned in self.partitions.iter_mut().filter(|assigned| assigned.plans_changed) {
                entries.push(self.journal.entry(&assigned.partition, assigned.topic_id, &assigned.plans));
                assigned.plans_changed = false;
            }
            append.records = self.journal.log().encode(&entries)?;
        }
        if let Some(queue) = self.dead_letters.as_ref().filter(|_| !letters.is_empty()) {
            append.records.extend(queue.encode(&*self.consumer, letters).await?);
        }
        append.group_offsets = uncommitted.partitions.iter().map(|index| self.group_offset(*index)).collect();
        Ok((!append.is_empty()).then(|| PreparedAppend { append, entries: Arc::new(entries) }))
    }

    fn appended(&mut self, is_commit: bool) {
        if is_commit {
            fail_point::hit("sink.after_commit");
            self.metrics.offset_commit_completion.increment(1);
            self.parts.metrics.success.set(1.0);
            self.count_active();
        }
    }

    fn group_offset(&self, index: usize) -> GroupOffset {
        let assigned = &self.partitions[index];
        GroupOffset {
            group: self.group.clone(),
            partition: assigned.partition.clone(),
            offset: assigned.vouched,
            metadata: topic_id_text(assigned.topic_id),
        }
    }

    /// Exactly the planned range, read again.
    async fn read_planned(&mut self, index: usize, plan: &Plan) -> Result<ClosedBatch, TaskError> {
        self.partitions[index].position = plan.first;
        while self.partitions[index].position <= plan.last {
            let assigned = &self.partitions[index];
            let (partition, offset) = (assigned.partition.clone(), assigned.position);
            let request = FetchPartition { partition: partition.clone(), offset, max_bytes: 1 << 20 };
            match self.consumer.fetch(&[request], Duration::ZERO).await.pop() {
                Some(Ok(fetched)) if !fetched.records.is_empty() => {
                    let chunk = self.convert_and_transform(index, &fetched.records, plan.last).await?;
                    self.collect(index, chunk);
                }
                Some(Err(error)) => self.fetch_failed(index, error).await?,
                _ => {
                    let (expected, found) = (plan.last + 1, offset);
                    return Err(TaskError::Gap { partition, expected, found });
                }
            }
        }
        let now = self.now();
        let closed = self.partitions[index].batch.close(now);
        let mut closed = closed.map_err(|error| TaskError::BadBatch { reason: error.to_string() })?;
        (closed.first, closed.last) = (plan.first, plan.last);
        Ok(closed)
    }

    fn delivery(&self, index: usize, plan: &Plan, (first, last): (i64, i64), is_replay: bool) -> Delivery {
        let assigned = &self.partitions[index];
        let whole = (first, last) == (plan.first, plan.last);
        let part_token = || self.journal.token(&assigned.partition, assigned.topic_id, (first, last));
        Delivery {
            topic: assigned.partition.topic.to_string(),
            topic_id: topic_id_text(assigned.topic_id),
            partition: assigned.partition.partition,
            first,
            last,
            token: if whole { plan.token.clone() } else { part_token() },
            target: plan.target.clone(),
            generation: self.parts.spec.offsets_generation,
            is_replay,
            planned_ms: plan.planned_ms,
            attributes: BTreeMap::new(),
        }
    }

    fn is_tolerant(&self) -> bool {
        self.errors.config.tolerance == ErrorTolerance::All
    }

    fn put_error(&self, failure: RecordFailure) -> RecordError {
        let RecordFailure { row_id, details } = failure;
        let class = self.parts.spec.class.as_str().into();
        RecordError { row_id, stage: Stage::TaskPut, class, code: details.code, reason: details.message }
    }

    /// Counts and logs; without tolerance the first one becomes a dead letter at once, and the task fails.
    pub(crate) async fn report(&mut self, index: usize, errors: &[RecordError]) -> Result<(), TaskError> {
        let partition = self.partitions[index].partition.clone();
        for error in errors {
            let origin = Origin { topic: &partition.topic, partition: partition.partition };
            if let Err(fatal) = self.errors.report(error, Some(origin)) {
                self.uncommitted.last_letter = Some(DeadLetter { partition, error: error.clone() });
                self.commit().await?;
                return Err(fatal);
            }
        }
        Ok(())
    }

    async fn back_off(&mut self, operation: &str, attempt: u32, error: &ConnectError) -> bool {
        back_off(&mut self.parts, &self.errors, (operation, attempt), error, None).await
    }

    /// Of a put that begins at this offset of a partition.
    async fn back_off_at(&mut self, (index, offset): (usize, i64), attempt: u32, error: &ConnectError) -> bool {
        let TopicPartition { topic, partition } = &self.partitions[index].partition;
        let record = Some(RecordCoordinates { topic, partition: *partition, offset });
        back_off(&mut self.parts, &self.errors, ("put", attempt), error, record).await
    }
}

/// Waits before the next attempt, also while the task is paused; `false` when it is to stop.
async fn back_off(
    parts: &mut crate::task_run::TaskParts,
    errors: &crate::error_report::ErrorReporter,
    (operation, attempt): (&str, u32),
    error: &ConnectError,
    record: Option<RecordCoordinates<'_>>,
) -> bool {
    let asked = error.details.backoff_ms.map(|ms| Duration::from_millis(ms.into()));
    let policy = RetryPolicy::forever(errors.config.retry_delay_max.min(RETRY_DELAY_MAX));
    let delay = asked.or_else(|| policy.delay(attempt, Duration::ZERO, jitter())).unwrap_or(RETRY_DELAY_MAX);
    errors.retried((operation, attempt), delay, &error.details.message, record);
    tokio::select! {
        () = parts.shared.context.clock.sleep(delay) => {}
        () = parts.lifecycle.interrupted() => {}
    }
    if parts.lifecycle.is_paused() && !parts.lifecycle.is_stopping() && parts.await_resume().await {
        parts.resumed();
    }
    !parts.lifecycle.is_stopping()
}

/// The offset that ends the first half of the rows.
fn middle_offset(batches: &[ConnectBatch]) -> i64 {
    let mut offsets: Vec<i64> = batches.iter().flat_map(|batch| batch.row_ids().values().iter().copied()).collect();
    let middle = (offsets.len() - 1) / 2;
    *offsets.select_nth_unstable(middle).1
}
