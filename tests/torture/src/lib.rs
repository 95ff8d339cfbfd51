//! The broker as a process, under load through librdkafka, and killed: [`torture`] compares what clients were told with what the log
//! then holds.
//!
//! [`storm`] lets the members of a group come and go.
//!
//! It knows no crate of the broker: it starts the `sluice` binary ([`Broker`]), speaks Kafka's protocol to it, and keeps its own
//! account of what was acknowledged ([`Account`]). It measures no time; that is `tests/bench`'s.

mod account;
mod broker;
mod chores;
mod clients;
mod good_client;
mod groups;
mod producers;
mod read_back;
mod record;
mod run;
mod skipped;
mod storm;
mod transactions;
mod wire;

pub use account::{Account, Figures};
pub use broker::Broker;
pub use clients::{client_config, consumer_config, producer_config};
pub use good_client::{GoodClient, Produced, batch, record};
pub use record::Record;
pub use run::{Ending, Plan, Report, torture};
pub use skipped::skipped;
pub use storm::{Storm, StormReport, storm};
pub use wire::{Connection, frame};
