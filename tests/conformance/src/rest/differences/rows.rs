//! The rows.

use super::{Difference, Is};

pub const DIFFERENCES: &[Difference] = &[Difference {
    steps: &["*"],
    parts: &["*/documentation"],
    is: Is::BothText,
    what: "The text that explains a key",
    reason: "Ours is written anew; its wording is nobody's interface.",
}];
