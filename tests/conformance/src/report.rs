//! Collects differences, so that one run shows all kinds of them and not only the first.

use std::collections::BTreeMap;
use std::fmt::Write;

const SHOWN_PER_KIND: usize = 3;

/// How many cases were compared, which rules allowed a difference, and what was different without a rule.
#[derive(Debug, Default)]
pub struct Report {
    pub compared: usize,
    /// Rows where both sides gave a value, not an error.
    pub valued: usize,
    allowed: BTreeMap<&'static str, usize>,
    differences: BTreeMap<String, (usize, Vec<String>)>,
}

impl Report {
    pub fn allow(&mut self, rule: &'static str) {
        *self.allowed.entry(rule).or_default() += 1;
    }

    /// `kind` groups what is alike.
    pub fn differ(&mut self, kind: &str, details: impl FnOnce() -> String) {
        let (count, shown) = self.differences.entry(kind.to_owned()).or_default();
        *count += 1;
        if shown.len() < SHOWN_PER_KIND {
            shown.push(details());
        }
    }

    /// Prints the sum.
    ///
    /// # Panics
    /// When anything differed that is not allowed.
    pub fn finish(self, name: &str, seed: u64) {
        println!("{name}: {} compared, {} with values, seed {seed}", self.compared, self.valued);
        for (rule, count) in &self.allowed {
            println!("  allowed {count:6} {rule}");
        }
        let mut text = String::new();
        for (kind, (count, shown)) in &self.differences {
            let _ = writeln!(text, "--- {count} × {kind}");
            for details in shown {
                let _ = writeln!(text, "{details}");
            }
        }
        assert!(text.is_empty(), "differences to Kafka; repeat with SLUICE_TEST_SEED={seed}\n{text}");
    }
}
