//! Groups of the classic protocol: join, sync, heartbeat, leave.
//!
//! ```text
//!          join                 everybody joined           assignment stored
//! Empty ─────────► Preparing ───────────────► Completing ───────────────► Stable
//!   ▲              Rebalance ◄─────────────── Rebalance                     │
//!   │                │   ▲      join, leave, lost member                    │
//!   └────────────────┘   └───────────────────────────────────────────────────┘
//!      nobody is left             join, leave, lost member
//! ```
//! Dead is a group whose removal is on its way into the log.
//!
//! `join` and `leave` change who is in, `round` ends a rebalance, `sync` hands out the assignment, `session` keeps time,
//! `describe` looks at a group from outside, `store` turns it into a record and back.

mod describe;
mod group;
mod join;
mod leave;
mod member;
mod round;
mod session;
mod static_member;
mod store;
mod sync;

pub(crate) use describe::Committer;
pub(crate) use group::ClassicGroup;
pub(crate) use member::Member;
