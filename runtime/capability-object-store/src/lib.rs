//! The object-store capability: a local folder, S3 to follow.
