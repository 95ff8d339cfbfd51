//! An example of a plugin: a configuration, what goes in and what comes out. It stands on the plugin's page, and a test runs it.

/// One example. Records are JSON objects with `topic`, `key`, `value`, `headers`, `timestamp` and, where they have one, `schema` of
/// the value; what is not said is not there. Converters take a text and give a value, or the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// The full class name.
    pub class: &'static str,
    /// What it shows, as a sentence.
    pub about: &'static str,
    /// Without the alias's prefix.
    pub config: &'static [(&'static str, &'static str)],
    pub input: &'static str,
    /// `dropped` for a record that does not go on, `true` or `false` for a predicate.
    pub output: &'static str,
}
