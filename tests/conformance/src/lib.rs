//! Sluice beside the real Apache Kafka Connect: the same input to both, and what is allowed to differ, with the reason.
//!
//! [`rest`] compares the REST API with a worker's, [`dead_letters`] what failing sinks leave behind. The rest is about records and values: [`Peer`] is a JVM with Kafka's jars that
//! answers JSON lines ([`peer`]); [`generate`] makes schemas, values and texts from a seed; [`datum`] is the form in which both
//! sides' values are compared; [`allowed`] holds every difference that is meant. `README.md` has the same list with its reasons.
//!
//! What it is not: a second implementation of anything. A case says what goes in, never what should come out.

pub mod allowed;
pub mod choices;
pub mod conversion;
pub mod datum;
pub mod dead_letters;
pub mod generate;
pub mod outcome;
pub mod peer;
pub mod report;
pub mod rest;
pub mod rows;

pub use choices::Choices;
pub use datum::Datum;
pub use outcome::Outcome;
pub use peer::Peer;
