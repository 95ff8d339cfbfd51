//! All answers of one run, and how they are kept in a file: a line of JSON for each step.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::answer::Answer;

/// The answers to each step, in the script's order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recording {
    pub steps: Vec<Recorded>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    pub step: String,
    pub answers: Vec<Answer>,
}

impl Recording {
    pub(crate) fn add(&mut self, step: &str, answers: Vec<Answer>) {
        self.steps.push(Recorded { step: step.to_owned(), answers });
    }

    /// Where Kafka's answers are kept.
    #[must_use]
    pub fn of_kafka() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("rest/kafka-4.3.1.jsonl")
    }

    /// # Errors
    /// When the file cannot be read or is not one of ours.
    pub fn read(file: &Path) -> Result<Recording> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let steps = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        Ok(Recording { steps: steps.with_context(|| format!("in {}", file.display()))? })
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let mut text = String::new();
        for step in &self.steps {
            text.push_str(&serde_json::to_string(step)?);
            text.push('\n');
        }
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}
