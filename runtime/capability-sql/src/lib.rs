//! The sql capability, over sqlx.
