//! Behaviour of the whole hub, as its users see it: the tests beside this file start the real binary and look at what arrives.
//! Here is what several of them need.

mod components;
mod job;
mod operator;

pub use components::{component, with_version};
pub use job::{Job, cycles, random, seed};
pub use operator::{Known, Operator};
