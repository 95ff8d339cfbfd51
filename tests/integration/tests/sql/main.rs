//! The SQL connectors as components, against real SQLite databases.

mod fixture;
mod sink;
mod source;
