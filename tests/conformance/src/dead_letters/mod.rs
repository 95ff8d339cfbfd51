//! The same failing sinks in a real Connect worker and in the hub, and what each of them puts into its dead letter queue.
//!
//! [`pipelines`] says what fails; [`Pipeline::feed`] gives both the same records; [`Pipeline::letters`] reads a queue as its
//! bytes are; [`compare`] holds two queues against each other. Only what a row of [`ALLOWED`] names may differ.

mod allowed;
mod letter;
mod pipeline;
mod pipelines;

pub use allowed::{ALLOWED, Allowed, compare, table};
pub use letter::Letter;
pub use pipeline::{LAST, Pipeline, Record};
pub use pipelines::pipelines;
