//! The way to a field: one name (V1), or names joined by dots with backticks around those that hold dots (V2, KIP-821).
//!
//! Kafka takes V2 in `ExtractField` only; here every transformation of a field does, with Kafka's V1 as the default.

use crate::smt::list;
use sluice_connect_api::config_def::{Default, Validator};
use sluice_connect_api::{ConfigDef, ConfigKey, ConfigMap, ConfigType, Importance};

pub const VERSION: &str = "field.syntax.version";

/// The names from the outside in; at least one.
pub type FieldPath = Vec<String>;

/// Adds the key that says which syntax the fields have.
pub fn with_version_key(def: ConfigDef) -> ConfigDef {
    let versions = Validator::ValidValues { values: vec!["V1".into(), "V2".into()], ignore_case: true };
    let documentation = "V1: a field is one name at the root. V2: names joined by dots, with backticks around those that \
                         hold dots, as in `foo.bar`.baz.";
    let default = Default::Value("V1".into());
    def.define(
        ConfigKey::new(VERSION, ConfigType::String, default, Importance::High, documentation).validator(versions),
    )
}

/// `path` in the syntax that the config names.
///
/// # Errors
/// As [`parse`].
pub fn of_config(config: &ConfigMap, path: &str) -> Result<FieldPath, String> {
    parse(path, config.get(VERSION).map_or("V1", String::as_str))
}

/// All paths of a key of type LIST.
///
/// # Errors
/// As [`parse`].
pub fn list_of_config(config: &ConfigMap, key: &str) -> Result<Vec<FieldPath>, String> {
    list(config, key).iter().map(|path| of_config(config, path)).collect()
}

/// The names from the outside in.
///
/// # Errors
/// A backtick that is opened and not closed in front of a dot or the end.
pub fn parse(path: &str, version: &str) -> Result<FieldPath, String> {
    if version.eq_ignore_ascii_case("V1") || path.is_empty() {
        return Ok(vec![path.to_owned()]);
    }
    let mut steps = Vec::new();
    let mut rest = path;
    loop {
        let (step, behind) = match rest.strip_prefix('`') {
            Some(quoted) => parse_quoted(quoted).ok_or_else(|| {
                let at = path.len() - rest.len();
                format!(
                    "Incomplete backtick pair in path: [{path}], consider adding a backslash before backtick at position {at} to escape it"
                )
            })?,
            None => match rest.split_once('.') {
                Some((step, _)) => (step.to_owned(), &rest[step.len()..]),
                None => (rest.to_owned(), ""),
            },
        };
        steps.push(step);
        match behind.strip_prefix('.') {
            Some(next) => rest = next,
            None => return Ok(steps),
        }
    }
}

/// The text up to the backtick that a dot or the end follows, and what is behind it. An escaped one is part of the name, and
/// only there the backslash goes: where it could be taken for the end.
fn parse_quoted(quoted: &str) -> Option<(String, &str)> {
    let mut step = String::new();
    let mut is_escaped = false;
    for (at, character) in quoted.char_indices() {
        let behind = &quoted[at + character.len_utf8()..];
        if character == '`' && behind.is_empty() {
            return (!is_escaped).then_some((step, behind));
        }
        if character == '`' && behind.starts_with('.') {
            if !is_escaped {
                return Some((step, behind));
            }
            step.pop();
        }
        step.push(character);
        is_escaped = character == '\\';
    }
    None
}
