//! The life of connectors: configs, states, restarts.
