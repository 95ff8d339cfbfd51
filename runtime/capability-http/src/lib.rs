//! The http capability, over reqwest.
