//! The REST API of a real Connect worker and of the hub, compared answer by answer.
//!
//! [`Script`] is what is asked: the files in `rest/*.http`, several hundred requests. [`play`] asks a server all of it and
//! gives the [`Answer`]s, normalised: what differs from one run to the next (ports, folders, times) has a name instead.
//! [`compare`] holds two runs against each other; every [`Mismatch`] must be allowed by a row of [`differences`], and
//! every row must allow something.
//!
//! Kafka's answers are recorded in `rest/kafka-4.3.1.jsonl`, so that the hub can be compared where there is no Java; where there
//! is, the recording itself is compared with what a worker answers now.

mod answer;
mod client;
mod compare;
mod differences;
mod play;
mod recording;
mod script;
mod worker;

pub use answer::{Answer, Names};
pub use client::{node_client, python_client};
pub use compare::{Mismatch, compare};
pub use differences::{DIFFERENCES, Difference, Is, Judged, judge, table};
pub use play::{Server, play};
pub use recording::{Recorded, Recording};
pub use script::{Condition, Expected, FileWrite, Request, Script, Step};
pub use worker::{ConnectWorker, PROPERTIES, environment};
