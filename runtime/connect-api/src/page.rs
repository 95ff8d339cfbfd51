//! A plugin's page, as Markdown: its keys out of its `ConfigDef`, and its examples.

use crate::config_def::{ConfigDef, ConfigKey, Default, Validator};
use crate::example::Example;
use std::fmt::Write;

/// Names every page: full class names with a sentence each, under a heading.
#[must_use]
pub fn index(heading: &str, about: &[(&str, &str)]) -> String {
    let mut out = format!("{heading}\n\n| | |\n| --- | --- |\n");
    for (class, about) in about {
        let _ = writeln!(out, "| [{}]({}) | {about} |", title(class), file_name(class));
    }
    out
}

fn title(class: &str) -> &str {
    let simple = class.rsplit('.').next().unwrap_or(class);
    simple.split('$').next().unwrap_or(simple)
}

/// Ours say so: Kafka may have a plugin of the same simple name.
fn file_name(class: &str) -> String {
    let own = if class.starts_with("io.sluice") { "sluice-" } else { "" };
    format!("{own}{}.md", title(class))
}

/// What a page is made of.
pub struct Page<'a> {
    /// The full class name, of a plugin with two sides that of the value's.
    pub class: &'a str,
    /// As `GET /connector-plugins` names it.
    pub kind: &'a str,
    /// What it does, in a sentence or two.
    pub about: &'a str,
    pub def: &'a ConfigDef,
    pub examples: &'a [Example],
}

impl Page<'_> {
    /// The page's text.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = format!("# {}\n\n", self.title());
        let _ = writeln!(out, "{}\n", self.about);
        let classes = match self.class.strip_suffix("$Value") {
            Some(class) => format!("`{class}$Key`, `{class}$Value`"),
            None => format!("`{}`", self.class),
        };
        let _ = writeln!(out, "A {}: {classes}\n", self.kind.replace('_', " "));
        self.write_keys(&mut out);
        for example in self.examples {
            self.write_example(example, &mut out);
        }
        out.push_str(
            "<!-- Made from the definition and the examples in the code; SLUICE_BLESS=1 writes it anew. -->\n",
        );
        out
    }

    /// The simple name, without a side.
    #[must_use]
    pub fn title(&self) -> &str {
        title(self.class)
    }

    /// The page's file, beside [`index`].
    #[must_use]
    pub fn file_name(&self) -> String {
        file_name(self.class)
    }

    fn write_keys(&self, out: &mut String) {
        if self.def.keys().next().is_none() {
            out.push_str("It has no keys.\n\n");
            return;
        }
        out.push_str("| key | type | default | valid | |\n| --- | --- | --- | --- | --- |\n");
        for key in self.def.keys() {
            let default = match &key.default {
                Default::Required => "required".to_owned(),
                Default::Unset => "none".to_owned(),
                Default::Value(value) if value.is_empty() => "empty".to_owned(),
                Default::Value(value) => format!("`{value}`"),
            };
            let kind = format!("{:?}", key.kind).to_uppercase();
            let _ = writeln!(
                out,
                "| `{}` | {kind} | {default} | {} | {} |",
                key.name,
                valid(key),
                key.documentation.replace('|', "\\|")
            );
        }
        out.push('\n');
    }

    fn write_example(&self, example: &Example, out: &mut String) {
        let _ = writeln!(out, "## {}\n", example.about);
        if self.kind == "config_provider" {
            out.push_str(&in_the_hubs_config(example));
        } else {
            out.push_str(&self.in_a_connectors_config(example));
        }
        let _ = writeln!(out, "{}\nbecomes\n\n{}", fenced(example.input), fenced(example.output));
    }

    fn in_a_connectors_config(&self, example: &Example) -> String {
        let (list, prefix) = match self.kind {
            "transformation" => (Some(("transforms", "t")), "transforms.t"),
            "predicate" => (Some(("predicates", "p")), "predicates.p"),
            "header_converter" => (None, "header.converter"),
            _ => (None, "value.converter"),
        };
        let class_key = if list.is_some() { format!("{prefix}.type") } else { prefix.to_owned() };
        let mut lines: Vec<(String, &str)> = list.into_iter().map(|(key, alias)| (key.to_owned(), alias)).collect();
        lines.push((class_key, example.class));
        lines.extend(example.config.iter().map(|(key, value)| (format!("{prefix}.{key}"), *value)));
        let lines: Vec<String> =
            lines.iter().map(|(key, value)| format!("  {}: {}", quoted(key), quoted(value))).collect();
        format!("```json\n{{\n{}\n}}\n```\n\n", lines.join(",\n"))
    }
}

/// The name of the provider is the one in the example's reference. Those of ours are there without being named.
fn in_the_hubs_config(example: &Example) -> String {
    if example.class.starts_with("io.sluice") {
        return String::new();
    }
    let reference = example.input.split_once("${").map_or("", |(_, reference)| reference);
    let name = reference.split(':').next().unwrap_or_default();
    let mut out = format!("```properties\nconfig.providers={name}\nconfig.providers.{name}.class={}\n", example.class);
    for (key, value) in example.config {
        let _ = writeln!(out, "config.providers.{name}.param.{key}={value}");
    }
    out.push_str("```\n\n");
    out
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn fenced(text: &str) -> String {
    let language = if text.starts_with('{') { "json" } else { "text" };
    format!("```{language}\n{text}\n```\n")
}

fn valid(key: &ConfigKey) -> String {
    match &key.validator {
        Validator::NonEmpty => "not empty".to_owned(),
        Validator::ValidValues { values, .. } => {
            values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
        }
        Validator::Range { min, max } => {
            let bound = |bound: &Option<f64>| bound.map(|bound| bound.to_string()).unwrap_or_default();
            format!("{}..{}", bound(min), bound(max))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_def::{ConfigType, Importance};

    #[test]
    fn a_page_has_every_key_and_every_example() {
        let key = ConfigKey::new("size", ConfigType::Int, Default::Value("3".into()), Importance::High, "How | many.");
        let def = ConfigDef::default().define(key);
        let examples =
            [Example { class: "a.B$Value", about: "It grows.", config: &[("size", "4")], input: "1", output: "2" }];
        let page = Page { class: "a.B$Value", kind: "transformation", about: "Grows.", def: &def, examples: &examples };
        let text = page.markdown();
        for part in [
            "# B\n",
            "`a.B$Key`, `a.B$Value`",
            "| `size` | INT | `3` |  | How \\| many. |",
            "## It grows.",
            "{\n  \"transforms\": \"t\",\n  \"transforms.t.type\": \"a.B$Value\",\n  \"transforms.t.size\": \"4\"\n}",
            "```text\n1\n```\n\nbecomes\n\n```text\n2\n```",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
