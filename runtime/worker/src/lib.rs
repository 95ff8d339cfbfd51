//! The data path: the two task loops.
