//! An example transformation.
