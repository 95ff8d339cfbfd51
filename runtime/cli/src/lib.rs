//! The binary: the only place where concrete parts meet.
