//! A definition written down: as a `.properties` file in which every key stands commented out, with what it means.

use super::key::{ConfigKey, Default};
use super::{ConfigDef, Validator};
use std::fmt::Write;

/// Columns of a comment.
const WIDTH: usize = 110;

/// Every key with its documentation, type, default and valid values. Required keys stand open, all others commented out.
#[must_use]
pub fn properties(def: &ConfigDef) -> String {
    let mut out = String::new();
    let mut group = None;
    for key in def.keys() {
        if key.group != group {
            group.clone_from(&key.group);
            if let Some(group) = &group {
                let _ = writeln!(out, "\n## {group}");
            }
        }
        out.push('\n');
        write_key(&mut out, key);
    }
    out.trim_start_matches('\n').to_owned()
}

fn write_key(out: &mut String, key: &ConfigKey) {
    for line in wrapped(&key.documentation) {
        let _ = writeln!(out, "# {line}");
    }
    let mut facts = vec![key.kind.as_str().to_ascii_lowercase(), key.importance.as_str().to_ascii_lowercase()];
    if key.validator != Validator::Any {
        facts.push(key.validator.to_string());
    }
    let (comment, value) = match &key.default {
        Default::Required => {
            facts.push("required".to_owned());
            ("", "")
        }
        Default::Unset => {
            facts.push("not set by default".to_owned());
            ("#", "")
        }
        Default::Value(value) => ("#", value.as_str()),
    };
    let _ = writeln!(out, "# ({})", facts.join("; "));
    let _ = writeln!(out, "{comment}{}={value}", key.name);
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is one from the start");
        if !line.is_empty() && line.len() + word.len() >= WIDTH {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.retain(|line| !line.is_empty());
    lines
}

#[cfg(test)]
mod tests {
    use super::super::{ConfigType, Importance};
    use super::*;

    #[test]
    fn a_reference_names_each_key_with_what_it_takes() {
        let key = |name: &str, default| ConfigKey::new(name, ConfigType::Int, default, Importance::High, "What it is.");
        let def = ConfigDef::default()
            .define(key("a", Default::Required).shown("Common", 1, "SHORT", "A"))
            .define(
                key("b", Default::Value("1".to_owned()))
                    .validator(Validator::at_least(1.0))
                    .shown("Common", 2, "SHORT", "B"),
            )
            .define(key("c", Default::Unset));
        let expected = "## Common\n\n# What it is.\n# (int; high; required)\na=\n\n# What it is.\n# (int; high; [1,...])\n#b=1\n\n# What it is.\n# (int; high; not set by default)\n#c=\n";
        assert_eq!(properties(&def), expected);
    }
}
