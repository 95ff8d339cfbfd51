//! The file capability.
