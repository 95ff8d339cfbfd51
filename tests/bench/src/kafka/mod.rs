//! The same load on our broker and on Apache Kafka: a client that costs next to nothing, and the two servers as processes.

mod cache;
mod consume;
mod latency;
mod peer;
mod produce;
mod wire;

pub use cache::{Ballast, folder_bytes, forget_files};
pub use consume::{Consumed, consume, count_records};
pub use latency::{Latencies, latencies};
pub use peer::{Class, Peer, Server};
pub use produce::{Limit, Load, Produced, produce, template};
pub use wire::{Connection, Fetched};
