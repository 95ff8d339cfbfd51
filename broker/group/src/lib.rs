//! Kafka's group coordinator as a pure state machine.
//!
//! No clock, no randomness, no sockets, no storage: time in ms, fresh member-id suffixes and the log's records are
//! passed in; answers and appends come out as [`Effect`]s, which the caller carries out in their order.
//!
//! What it is not: it decodes no request (a handler does), knows no topics (a handler refuses unknown ones), assigns no
//! partitions (a group's leader does) and checks no producer epoch (the log does, when it takes a transactional append).
//!
//! The caller's loop:
//! - at start, [`Coordinator::load`] for each record of `__consumer_offsets`, then [`Coordinator::loaded`];
//! - [`Coordinator::handle`] for each request, [`Coordinator::appended`] for each append, in the order of the log,
//!   [`Coordinator::tick`] at [`Coordinator::next_deadline`], [`Coordinator::drop_token`] when a client is gone;
//! - after each, the effects.
//!
//! How to read it: `api` for what goes in and out, `coordinator` from event to group, `classic` for the states and who
//! moves them, `offsets`, [`records`] for the bytes; the README has the caller's loop and where Kafka differs.
//!
//! ```
//! use sluice_group::*;
//!
//! let mut coordinator = Coordinator::new(Config::default());
//! coordinator.loaded(0);
//! let heartbeat = HeartbeatRequest { group_id: "g".into(), member_id: "who".into(), ..Default::default() };
//! let effects = coordinator.handle(1, Token(7), Request::Heartbeat(heartbeat));
//! let answer = Response::Heartbeat(HeartbeatResponse { error: ErrorCode::UnknownMemberId });
//! assert_eq!(effects, [Effect::Answer(Token(7), answer)]);
//! ```
//!
//! Source: the behaviour is that of `org.apache.kafka.coordinator.group` (KIP-62, 134, 345, 394, 447, 800, 814).

mod api;
mod classic;
mod config;
mod context;
mod coordinator;
mod error_code;
pub mod fuzz;
mod group;
mod offsets;
mod pending;
pub mod records;
mod subscription;

pub use api::*;
pub use config::Config;
pub use coordinator::Coordinator;
pub use error_code::ErrorCode;
pub use group::{GroupState, GroupType};
