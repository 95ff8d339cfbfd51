//! Real Kafka clients, each a small program in its own language, driven through the same scenarios against the broker's listener.
//!
//! A program takes the broker's address as its argument, commands as JSON lines on its input, and answers as JSON lines on its
//! output; `README.md` has the table of commands. This crate obtains what a program needs ([`obtain`]), starts it ([`Client`]),
//! starts the broker ([`Broker`]), and asks the broker itself what lies in a partition ([`wire`]).
//!
//! Beside them run Kafka's console tools in one JVM ([`tools`]), kcat ([`kcat`]) and an application on Kafka Streams ([`streams`]).
//!
//! It is no Kafka client: everything that it knows of the protocol are the two requests in [`wire`].

pub mod broker;
pub mod client;
pub mod groups;
pub mod hub;
pub mod kcat;
pub mod obtain;
pub mod records;
pub mod report;
pub mod scenarios;
pub mod streams;
pub mod tools;
pub mod transactions;
pub mod wire;

pub use broker::Broker;
pub use client::Client;
pub use records::Record;
pub use report::Report;
