//! Starts the real binary and real servers for tests.
