//! Failed records on the user's behalf: looked at, tried again without effect, sent again.

use crate::common_keys::{DLQ_TOPIC, TASKS_MAX};
use crate::error::HerderError;
use crate::herder::{Herder, Shared, uncancelled};
use crate::secret_keys::{hidden, secret_keys};
use crate::validation::find_connector;
use sluice_connect_api::connector::ConnectorContext;
use sluice_connect_api::{ConfigMap, ConnectError};
use sluice_data::{ConnectorName, TaskId};
use sluice_storage::TargetState;
use sluice_worker::{
    DeadLetterPage, Edit, Letter, LetterId, LetterOutcome, RedriveEntry, RedriveMode, RedriveState, StoredLetter,
    TaskSpec, dead_letters,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Letters that one request may send again.
pub const REDRIVE_LETTERS_MAX: usize = 10_000;

/// A letter with what became of it.
#[derive(Debug)]
pub struct DeadLetterInfo {
    pub letter: StoredLetter,
    pub redrive: Option<RedriveEntry>,
}

/// One letter to be sent again.
#[derive(Debug, Clone)]
pub struct RedriveLetter {
    pub partition: i32,
    pub offset: i64,
    pub edit: Option<Edit>,
}

/// Which letters, and whether they are only tried.
#[derive(Debug, Clone)]
pub struct RedriveRequest {
    /// `None`: all that were not delivered since, up to [`REDRIVE_LETTERS_MAX`].
    pub letters: Option<Vec<RedriveLetter>>,
    pub dry_run: bool,
}

/// How one letter fared.
#[derive(Debug)]
pub struct RedriveAnswer {
    pub letter: LetterId,
    pub result: RedriveResult,
}

#[derive(Debug)]
pub enum RedriveResult {
    Tried(LetterOutcome),
    /// It had arrived before: nothing was done.
    AlreadyDelivered,
}

impl Herder {
    /// The dead letters of a connector, from a partition and offset of its queue on.
    ///
    /// # Errors
    /// [`HerderError::ConnectorNotFound`], [`HerderError::BadRequest`] when it has no queue.
    pub async fn dead_letters(
        &self,
        name: &str,
        from: (i32, i64),
        limit: usize,
    ) -> Result<(Vec<DeadLetterInfo>, Option<(i32, i64)>), HerderError> {
        let shared = self.shared();
        let config = shared.of_connector(name, |_, state| state.config.clone()).await?;
        let name = ConnectorName::new(name);
        let DeadLetterPage { letters, next } = shared.read_letters(&name, &config, from, limit).await?;
        let described = |letter: StoredLetter| DeadLetterInfo { redrive: shared.redrive_of(&name, &letter), letter };
        Ok((letters.into_iter().map(described).collect(), next))
    }

    /// Sends letters again to this connector only, each once. The request is durable before anything is tried: what a crash
    /// interrupts is resumed.
    ///
    /// # Errors
    /// As [`Herder::dead_letters`]; [`HerderError::RedriveFailed`] when the connector cannot be set up or the log not be
    /// reached.
    pub async fn redrive(&self, name: &str, request: RedriveRequest) -> Result<Vec<RedriveAnswer>, HerderError> {
        let shared = Arc::clone(self.shared());
        let name = ConnectorName::new(name);
        uncancelled(async move {
            let config = shared.of_connector(name.as_str(), |_, state| state.config.clone()).await?;
            let _one_at_a_time = shared.redrives.lock().await;
            let mode = if request.dry_run { RedriveMode::DryRun } else { RedriveMode::Deliver };
            if mode == RedriveMode::Deliver {
                shared.finish_pending(&name, &config).await?;
            }
            let chosen = shared.choose(&name, &config, request.letters).await?;
            shared.redrive(&name, &config, chosen, mode).await
        })
        .await
    }
}

impl Shared {
    async fn read_letters(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        from: (i32, i64),
        limit: usize,
    ) -> Result<DeadLetterPage, HerderError> {
        let queue = queue(name, config)?;
        match dead_letters(&*self.broker, queue, name.as_str(), from, limit).await {
            // It is made with the first task.
            Err(sluice_worker::ReadLettersError::Admin(sluice_client::AdminError::UnknownTopic { .. })) => {
                Ok(DeadLetterPage::default())
            }
            read => read.map_err(|error| HerderError::DeadLetters { message: error.to_string() }),
        }
    }

    fn redrive_of(&self, name: &ConnectorName, letter: &StoredLetter) -> Option<RedriveEntry> {
        self.worker.redrives().get(name, &letter.id).filter(|entry| entry.is_of(letter.topic_id))
    }

    /// The letters that were asked for, each with its edit.
    async fn choose(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        wanted: Option<Vec<RedriveLetter>>,
    ) -> Result<Vec<(StoredLetter, Option<Edit>)>, HerderError> {
        let Some(mut wanted) = wanted else {
            let page = self.read_letters(name, config, (0, 0), REDRIVE_LETTERS_MAX).await?;
            let is_open = |letter: &StoredLetter| {
                self.redrive_of(name, letter).is_none_or(|entry| entry.state != RedriveState::Delivered)
            };
            return Ok(page.letters.into_iter().filter(is_open).map(|letter| (letter, None)).collect());
        };
        if wanted.len() > REDRIVE_LETTERS_MAX {
            let message =
                format!("{} letters are too many for one request: at most {REDRIVE_LETTERS_MAX}", wanted.len());
            return Err(HerderError::BadRequest { message });
        }
        wanted.sort_by_key(|letter| (letter.partition, letter.offset));
        let mut chosen = Vec::with_capacity(wanted.len());
        for RedriveLetter { partition, offset, edit } in wanted {
            let Some(letter) = self.find_letter(name, config, partition, offset).await? else {
                let queue = queue(name, config)?;
                let message = format!("{queue}-{partition} has no dead letter of connector {name} at offset {offset}");
                return Err(HerderError::BadRequest { message });
            };
            chosen.push((letter, edit));
        }
        Ok(chosen)
    }

    async fn redrive(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        chosen: Vec<(StoredLetter, Option<Edit>)>,
        mode: RedriveMode,
    ) -> Result<Vec<RedriveAnswer>, HerderError> {
        let (mut answers, mut letters, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for (stored, edit) in chosen {
            let known = self.redrive_of(name, &stored);
            if mode == RedriveMode::Deliver && known.as_ref().is_some_and(|one| one.state == RedriveState::Delivered) {
                answers.push(RedriveAnswer { letter: stored.id, result: RedriveResult::AlreadyDelivered });
                continue;
            }
            let mut entry = RedriveEntry::requested(stored.topic_id, edit, now_ms());
            entry.attempts += known.as_ref().map_or(0, |known| known.attempts);
            letters.push(letter(&stored, entry.edited.as_ref(), known.is_some()));
            entries.push((stored.id, entry));
        }
        if letters.is_empty() {
            return Ok(answers);
        }
        let spec = self.redrive_spec(name, config).await?;
        if mode == RedriveMode::Deliver {
            self.worker.redrives().put_all(name, &entries).await?;
            sluice_telemetry::fail_point::hit("redrive.after_request");
        }
        let outcomes = match self.worker.redrive(spec, letters, mode).await {
            Ok(outcomes) => outcomes,
            Err(failure) => {
                let letters = entries.into_iter().map(|(letter, _)| letter).collect();
                if mode == RedriveMode::Deliver {
                    self.hold(name, letters, &failure.message).await?;
                }
                return Err(HerderError::RedriveFailed { message: failure.message });
            }
        };
        let tried = entries.into_iter().zip(outcomes);
        answers.extend(
            tried.map(|((letter, _), outcome)| RedriveAnswer { letter, result: RedriveResult::Tried(outcome) }),
        );
        answers.sort_by(|one, two| one.letter.cmp(&two.letter));
        Ok(answers)
    }

    /// What a task of this connector would be started with.
    async fn redrive_spec(&self, name: &ConnectorName, config: &ConfigMap) -> Result<TaskSpec, HerderError> {
        let factory = find_connector(&self.plugins, config)?;
        // With what references stand for: this config goes nowhere but to the connector.
        let resolved = self.transformer.transform(config).await;
        let resolved = resolved.map_err(|error| HerderError::ConfigProvider { message: error.to_string() })?;
        let hidden = hidden(config, &resolved, &secret_keys(&self.plugins, config));
        let config = &resolved.config;
        let context = ConnectorContext { name: name.clone(), config: config.clone() };
        let tasks_max = config.get(TASKS_MAX).and_then(|text| text.trim().parse().ok()).unwrap_or(1);
        let asked = async {
            let connector = factory.connector(&context).await?;
            let capabilities = connector.capabilities(config).await?;
            Ok::<_, ConnectError>((capabilities, connector.task_configs(config, tasks_max).await?))
        };
        let (capabilities, tasks) =
            asked.await.map_err(|error| HerderError::RedriveFailed { message: hidden.hide(&error.to_string()) })?;
        let task_config = tasks.tasks.into_iter().next();
        let none = || HerderError::RedriveFailed { message: "the connector names no task".to_owned() };
        Ok(TaskSpec {
            id: TaskId::new(name.clone(), 0),
            class: factory.definition().class.clone(),
            version: factory.definition().version.clone(),
            kind: factory.kind(),
            connector_config: config.clone(),
            task_config: task_config.ok_or_else(none)?,
            capabilities,
            task_count: 1,
            generation: 0,
            offsets_generation: self.configs.offsets_generation(name),
            initial_state: TargetState::Started,
            hidden,
        })
    }

    /// Why letters have no end yet. They may have arrived: they are tried again, before any other of their connector.
    async fn hold(&self, name: &ConnectorName, letters: Vec<LetterId>, reason: &str) -> Result<(), HerderError> {
        let redrives = self.worker.redrives();
        let held = letters.into_iter().filter_map(|letter| {
            let entry = redrives.get(name, &letter).filter(|entry| entry.state == RedriveState::Requested)?;
            Some((letter, RedriveEntry { reason: Some(reason.to_owned()), at_ms: now_ms(), ..entry }))
        });
        Ok(redrives.put_all(name, &held.collect::<Vec<_>>()).await?)
    }

    /// Letters that were asked for and have no end: a sink remembers only the last one it was given, so these come first.
    async fn finish_pending(&self, name: &ConnectorName, config: &ConfigMap) -> Result<(), HerderError> {
        let redrives = self.worker.redrives();
        let pending = redrives.unfinished().into_iter().filter(|(of, _)| of == name);
        let (mut chosen, mut gone) = (Vec::new(), Vec::new());
        for (_, letter) in pending {
            let Some(entry) = redrives.get(name, &letter) else { continue };
            match self.find_letter(name, config, letter.partition, letter.offset).await? {
                Some(stored) if stored.id == letter && entry.is_of(stored.topic_id) => {
                    chosen.push((stored, entry.edited))
                }
                _ => {
                    let reason = Some("the dead letter is gone from its queue".to_owned());
                    gone.push((letter, RedriveEntry { state: RedriveState::Failed, reason, at_ms: now_ms(), ..entry }));
                }
            }
        }
        redrives.put_all(name, &gone).await?;
        self.redrive(name, config, chosen, RedriveMode::Deliver).await?;
        Ok(())
    }

    /// After a start: what the process before this one did not end.
    pub(crate) async fn resume_redrives(self: Arc<Self>) {
        let names: BTreeSet<ConnectorName> =
            self.worker.redrives().unfinished().into_iter().map(|(name, _)| name).collect();
        for name in names {
            let finished = async {
                let config = self.of_connector(name.as_str(), |_, state| state.config.clone()).await?;
                let _one_at_a_time = self.redrives.lock().await;
                self.finish_pending(&name, &config).await
            };
            if let Err(error) = finished.await {
                tracing::warn!(connector = %name, "dead letters that were being sent again wait for the next attempt: {error}");
            }
        }
    }

    async fn find_letter(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        partition: i32,
        offset: i64,
    ) -> Result<Option<StoredLetter>, HerderError> {
        let found = self.read_letters(name, config, (partition, offset), 1).await?.letters.pop();
        Ok(found.filter(|letter| (letter.id.partition, letter.id.offset) == (partition, offset)))
    }
}

fn queue<'a>(name: &ConnectorName, config: &'a ConfigMap) -> Result<&'a str, HerderError> {
    let queue = config.get(DLQ_TOPIC).map(|queue| queue.trim()).filter(|queue| !queue.is_empty());
    let message = || format!("connector {name} has no dead letter queue: set {DLQ_TOPIC} and errors.tolerance=all");
    queue.ok_or_else(|| HerderError::BadRequest { message: message() })
}

/// The letter with what was edited.
fn letter(stored: &StoredLetter, edit: Option<&Edit>, is_replay: bool) -> Letter {
    let edited_headers = edit.and_then(|edit| edit.headers.as_ref()).map(|headers| {
        let bytes = |value: &Option<String>| value.as_ref().map(|text| text.clone().into_bytes());
        headers.iter().map(|(name, value)| (name.clone(), bytes(value))).collect()
    });
    let context = |name: &str| stored.context.get(name).cloned();
    Letter {
        id: stored.id.clone(),
        topic_id: stored.topic_id,
        topic: context("topic").unwrap_or_else(|| stored.id.queue.clone()),
        timestamp: stored.timestamp,
        key: edit.and_then(|edit| edit.key.clone()).unwrap_or_else(|| stored.key.clone()),
        value: edit.and_then(|edit| edit.value.clone()).unwrap_or_else(|| stored.value.clone()),
        headers: edited_headers.unwrap_or_else(|| stored.headers.clone()),
        key_format: context("key.format"),
        value_format: context("value.format"),
        is_replay,
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
