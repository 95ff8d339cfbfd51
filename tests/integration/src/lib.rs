//! Behaviour of the whole hub.
