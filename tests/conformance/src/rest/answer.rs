//! One answer, normalised: equal for two runs of one server, and for two servers that behave alike.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Headers that the network stack sets, or that say what the body says.
const UNCOMPARED_HEADERS: [&str; 6] =
    ["connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"];

/// What has another value in each run, and the name that stands for it.
#[derive(Debug, Clone)]
pub struct Names {
    /// Value → name, longest first.
    names: Vec<(String, String)>,
}

impl Names {
    #[must_use]
    pub fn new(folder: &str, address: &str) -> Names {
        let mut names = vec![(folder.to_owned(), "{{dir}}".to_owned()), (address.to_owned(), "{{worker}}".to_owned())];
        names.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Names { names }
    }

    /// With a name for one more value.
    #[must_use]
    pub fn and(mut self, value: &str, name: &str) -> Names {
        self.names.push((value.to_owned(), name.to_owned()));
        self
    }

    fn apply(&self, text: &str) -> String {
        let text = self.names.iter().fold(text.to_owned(), |text, (value, name)| text.replace(value, name));
        without_locations(&text)
    }
}

/// Where a plugin's jar lies is this machine's affair.
fn without_locations(text: &str) -> String {
    const BEGIN: &str = "location='";
    let mut parts = text.split(BEGIN);
    let mut named = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.split_once('\'').map_or(part, |(_, rest)| rest);
        named.push_str(BEGIN);
        named.push_str("{{location}}'");
        named.push_str(rest);
    }
    named
}

/// Status, the headers that a client may look at, and the body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    /// JSON as it is; a body that is no JSON as text; null when there is none.
    pub body: Value,
}

impl Answer {
    #[must_use]
    pub fn new(status: u16, headers: Vec<(String, String)>, body: &str, names: &Names) -> Answer {
        let headers = headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), names.apply(&value)))
            .filter(|(name, _)| !UNCOMPARED_HEADERS.contains(&name.as_str()))
            .collect();
        let body = names.apply(body);
        let body = match serde_json::from_str(&body) {
            _ if body.is_empty() => Value::Null,
            Ok(json) => normalised(json),
            Err(_) => Value::String(body),
        };
        Answer { status, headers, body }
    }
}

/// Names what a server makes up, and orders what Kafka defines no order for.
fn normalised(json: Value) -> Value {
    match json {
        Value::Array(items) => {
            let items: Vec<Value> = items.into_iter().map(normalised).collect();
            keyed(items)
        }
        Value::Object(members) => Value::Object(members.into_iter().map(member).collect()),
        scalar => scalar,
    }
}

fn member((key, value): (String, Value)) -> (String, Value) {
    let name = |name: &str| Value::String(name.to_owned());
    let value = match (key.as_str(), value) {
        ("trace", Value::String(_)) => name("{{trace}}"),
        ("last_modified", Value::Number(_)) => name("{{time}}"),
        ("kafka_cluster_id", Value::String(_)) => name("{{cluster}}"),
        ("commit", Value::String(_)) => name("{{commit}}"),
        // That there is one counts, and not its wording.
        ("documentation", Value::String(text)) if !text.is_empty() => name("{{documentation}}"),
        (_, value) => normalised(value),
    };
    (key, value)
}

/// Rows that have a key become members under it: their order does not count, and a row that only one side has is seen as that.
fn keyed(items: Vec<Value>) -> Value {
    let key_of = |item: &Value| {
        let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        if item.get("value").is_some() && item.get("definition").is_some() {
            return text("/value/name").or_else(|| text("/definition/name"));
        }
        if item.get("class").is_some() {
            return Some(format!("{}/{}", text("/type")?, text("/class")?));
        }
        if item.get("importance").is_some() {
            return text("/name");
        }
        item.get("partition").map(Value::to_string)
    };
    let keys: Option<Vec<String>> = items.iter().map(key_of).collect();
    match keys {
        Some(keys) if !keys.is_empty() => {
            let mut members = Map::new();
            for (key, item) in keys.into_iter().zip(items) {
                let repeated = members.keys().filter(|known| known.split(" #").next() == Some(key.as_str())).count();
                members.insert(if repeated == 0 { key } else { format!("{key} #{}", repeated + 1) }, item);
            }
            Value::Object(members)
        }
        _ => {
            let mut items = items;
            // Lists of names: connectors, topics, loggers, recommended values.
            if items.iter().all(Value::is_string) {
                items.sort_by(|left, right| left.as_str().cmp(&right.as_str()));
            }
            Value::Array(items)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(body: &Value) -> Answer {
        let headers = vec![("Date".to_owned(), "now".to_owned()), ("Location".to_owned(), "http://h:1/a".to_owned())];
        Answer::new(200, headers, &body.to_string(), &Names::new("/tmp/x", "h:1"))
    }

    #[test]
    fn what_changes_from_run_to_run_has_a_name() {
        let seen = answer(&json!({"worker_id": "h:1", "file": "/tmp/x/a", "trace": "at 1", "last_modified": 5}));
        let expected =
            json!({"worker_id": "{{worker}}", "file": "{{dir}}/a", "trace": "{{trace}}", "last_modified": "{{time}}"});
        assert_eq!(seen.body, expected);
        let seen_locations = answer(&json!("a{location='file:/x/a.jar'}, b{location='classpath'}")).body;
        assert_eq!(seen_locations, json!("a{location='{{location}}'}, b{location='{{location}}'}"));
        assert_eq!(seen.headers, [("location".to_owned(), "http://{{worker}}/a".to_owned())].into());
    }

    #[test]
    fn the_order_of_rows_does_not_count_but_their_number_does() {
        let row = |class: &str| json!({"class": class, "type": "sink"});
        assert_eq!(answer(&json!([row("a"), row("b")])), answer(&json!([row("b"), row("a")])));
        assert_ne!(answer(&json!([row("a"), row("a")])), answer(&json!([row("a")])));
        assert_eq!(answer(&json!(["b", "a"])), answer(&json!(["a", "b"])));
        assert_ne!(answer(&json!([{"id": 1}, {"id": 0}])), answer(&json!([{"id": 0}, {"id": 1}])));
    }
}
