//! Topics that a source writes to, created when they are missing.

use crate::task_config::TopicCreation;
use crate::task_error::TaskError;
use sluice_client::{Admin, AdminError, NewTopic, TopicDescription, TopicName};
use std::collections::HashMap;
use std::sync::Arc;

pub(crate) struct TopicCreator {
    admin: Arc<dyn Admin>,
    creation: TopicCreation,
    known: HashMap<TopicName, Known>,
}

struct Known {
    topic: TopicDescription,
    sticky: usize,
}

impl TopicCreator {
    pub fn new(admin: Arc<dyn Admin>, creation: TopicCreation) -> Self {
        Self { admin, creation, known: HashMap::new() }
    }

    /// The topic, created if it was not there.
    ///
    /// # Errors
    /// [`TaskError::Admin`].
    pub async fn ensure(&mut self, name: &TopicName) -> Result<&TopicDescription, TaskError> {
        if !self.known.contains_key(name) {
            let topic = self.describe_or_create(name).await?;
            self.known.insert(Arc::clone(name), Known { topic, sticky: 0 });
        }
        Ok(&self.known[name].topic)
    }

    /// Topics seen so far.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    /// The partition for rows without key in the next append, each in turn.
    pub fn next_sticky(&mut self, name: &TopicName) -> usize {
        let Some(known) = self.known.get_mut(name) else { return 0 };
        let sticky = known.sticky;
        known.sticky = (sticky + 1) % known.topic.partitions.max(1) as usize;
        sticky
    }

    async fn describe_or_create(&self, name: &TopicName) -> Result<TopicDescription, TaskError> {
        if let Some(topic) = self.admin.describe_topic(name).await? {
            return Ok(topic);
        }
        let settings = self.creation.settings_for(name);
        let (partitions, config) = (settings.partitions, settings.config.clone());
        match self.admin.create_topic(NewTopic { name: Arc::clone(name), partitions, config }).await {
            // Another task was quicker.
            Err(AdminError::TopicExists { topic }) => {
                let described = self.admin.describe_topic(name).await?;
                described.ok_or(TaskError::Admin(AdminError::UnknownTopic { topic }))
            }
            created => Ok(created?),
        }
    }
}
