//! The data path: the two task loops and what they are made of.
//!
//! Reading order: [`worker`] starts and stops tasks; `source_task` and `sink_task` are the loops, readable aloud;
//! below them, by the verbs of the loops: `transformation_chain`, `source_convert`, `source_append`; `sink_fetch`,
//! `sink_convert`, `sink_batch` (where batches end), `sink_plan` (the journalled plan), `sink_read_ahead`, `dead_letter`; `redrive` sends
//! dead letters again.
//!
//! What it is not: it knows no WebAssembly (the registry hands out tasks), decides no restart (the herder does) and
//! parses no worker configuration file.
//!
//! Invariants:
//! - A record leaves each stage passed on, reported, or its task fails. There is no fourth way out.
//! - A source's records and its offsets are one atomic append.
//! - A sink's delivery has a durable plan before it begins, and the same identity in every repetition.
//! - Offsets are committed in the same atomic append that ends the plan and holds the dead letters.

mod append;
mod budget;
mod clock;
mod config;
mod converter_prepare;
mod dead_letter;
mod error_report;
mod header_convert;
mod inspect;
mod predicate;
mod redrive;
mod retry;
mod sink_assignment;
mod sink_batch;
mod sink_convert;
mod sink_delivery;
mod sink_fetch;
mod sink_lag;
mod sink_plan;
mod sink_read_ahead;
mod sink_task;
mod source_append;
mod source_convert;
mod source_task;
mod task_config;
mod task_error;
mod task_info;
mod task_run;
mod task_state;
mod topics;
mod transformation_chain;
mod worker;

pub use budget::MemoryBudget;
pub use clock::{Clock, SystemClock};
pub use config::{ConverterConfig, PlanMode, WorkerConfig};
pub use dead_letter::{DeadLetterPage, ReadLettersError, StoredLetter, dead_letters};
pub use inspect::{INSPECT_RECORDS_MAX, InspectedTask, StageRecords};
pub use redrive::{Edit, Letter, LetterId, LetterOutcome, RedriveEntry, RedriveJournal, RedriveMode, RedriveState};
pub use retry::jitter;
pub use sink_lag::{PartitionLag, TimeLeft, sink_lag};
pub use sluice_storage::TargetState;
pub use task_config::{ErrorTolerance, TaskConfigError};
pub use task_error::TaskError;
pub use task_state::{Hidden, TaskFailure, TaskListener, TaskSpec};
pub use worker::{StartTaskError, Worker, WorkerContext};
