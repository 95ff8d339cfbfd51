//! `/sluice/v1/connectors/{connector}/errors`: dead letters, and sending them again. Ours.
//!
//! Keys and values are shown as text where they are UTF-8, else as base64 in `key_base64` and `value_base64`; an edit may use
//! either. A member that an edit leaves out stays as it is in the letter; `null` means none.

use crate::error::RestError;
use crate::request::{JsonBody, parameter};
use crate::router::{Query, RestContext};
use axum::Json;
use axum::extract::{Path, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use sluice_herder::{self as herder, DeadLetterInfo, Edit, LetterOutcome, RedriveResult};
use std::collections::BTreeMap;

const LETTERS_DEFAULT: i64 = 100;
const LETTERS_MAX: i64 = 1_000;

#[derive(Serialize)]
pub struct DeadLetters {
    errors: Vec<Map<String, Value>>,
    /// Where the next page begins; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Place>,
}

#[derive(Serialize)]
struct Place {
    partition: i32,
    offset: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedriveRequest {
    /// Left out: every letter that was not delivered since.
    #[serde(default)]
    letters: Option<Vec<RedriveLetter>>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RedriveLetter {
    #[serde(default)]
    partition: i32,
    offset: i64,
    #[serde(default, deserialize_with = "given")]
    key: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    key_base64: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    value: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    value_base64: Option<Option<String>>,
    #[serde(default)]
    headers: Option<Vec<Header>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    key: String,
    value: Option<String>,
}

/// `null` is something that was given.
#[expect(clippy::option_option, reason = "left out, null and text are three things")]
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

#[derive(Serialize)]
pub struct RedriveAnswer {
    delivered: usize,
    failed: usize,
    /// Arrived before: nothing was done for them.
    already_delivered: usize,
    letters: Vec<Value>,
}

pub async fn list(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
    Query(query): Query,
) -> Result<Json<DeadLetters>, RestError> {
    let number = |name: &str, default: i64| Ok::<_, RestError>(parameter(&query, name)?.unwrap_or(default));
    let limit = number("limit", LETTERS_DEFAULT)?.clamp(1, LETTERS_MAX) as usize;
    let partition = i32::try_from(number("partition", 0)?).unwrap_or(i32::MAX);
    let (letters, next) = context.herder.dead_letters(&connector, (partition, number("offset", 0)?), limit).await?;
    let next = next.map(|(partition, offset)| Place { partition, offset });
    Ok(Json(DeadLetters { errors: letters.iter().map(shown).collect(), next }))
}

pub async fn redrive(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
    JsonBody(body): JsonBody<RedriveRequest>,
) -> Result<Json<RedriveAnswer>, RestError> {
    let letters = body.letters.map(|letters| letters.into_iter().map(asked).collect::<Result<_, _>>()).transpose()?;
    let request = herder::RedriveRequest { letters, dry_run: body.dry_run };
    let answers = context.herder.redrive(&connector, request).await?;
    let count = |is: fn(&RedriveResult) -> bool| answers.iter().filter(|answer| is(&answer.result)).count();
    Ok(Json(RedriveAnswer {
        delivered: count(|result| matches!(result, RedriveResult::Tried(LetterOutcome::Delivered { .. }))),
        failed: count(|result| matches!(result, RedriveResult::Tried(LetterOutcome::Failed { .. }))),
        already_delivered: count(|result| matches!(result, RedriveResult::AlreadyDelivered)),
        letters: answers.iter().map(fared).collect(),
    }))
}

fn asked(letter: RedriveLetter) -> Result<herder::RedriveLetter, RestError> {
    let RedriveLetter { partition, offset, key, key_base64, value, value_base64, headers } = letter;
    let edit = Edit {
        key: bytes("key", key, key_base64)?,
        value: bytes("value", value, value_base64)?,
        headers: headers.map(|headers| headers.into_iter().map(|header| (header.key, header.value)).collect()),
    };
    let edit = (edit != Edit::default()).then_some(edit);
    Ok(herder::RedriveLetter { partition, offset, edit })
}

#[expect(clippy::option_option, reason = "left out, null and text are three things")]
fn bytes(
    name: &str,
    text: Option<Option<String>>,
    base64: Option<Option<String>>,
) -> Result<Option<Option<Vec<u8>>>, RestError> {
    let bad = |message: String| RestError::BadRequest { message };
    match (text, base64) {
        (Some(_), Some(_)) => Err(bad(format!("give {name} or {name}_base64, not both"))),
        (Some(text), None) => Ok(Some(text.map(String::into_bytes))),
        (None, Some(Some(base64))) => {
            let bytes = STANDARD.decode(base64).map_err(|error| bad(format!("{name}_base64 is no base64: {error}")))?;
            Ok(Some(Some(bytes)))
        }
        (None, Some(None)) => Ok(Some(None)),
        (None, None) => Ok(None),
    }
}

fn shown(info: &DeadLetterInfo) -> Map<String, Value> {
    let letter = &info.letter;
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    put("queue", letter.id.queue.clone().into());
    put("partition", letter.id.partition.into());
    put("offset", letter.id.offset.into());
    put("timestamp", letter.timestamp.into());
    let context: &BTreeMap<String, String> = &letter.context;
    let of_record = json!({ "topic": context.get("topic"), "partition": number(context, "partition"), "offset": number(context, "offset") });
    put("record", of_record);
    for (name, header) in
        [("task", "task.id"), ("stage", "stage"), ("class", "class.name"), ("code", "exception.class.name")]
    {
        put(name, context.get(header).cloned().into());
    }
    put("cause", context.get("exception.message").cloned().into());
    for (name, bytes) in [("key", &letter.key), ("value", &letter.value)] {
        match bytes.as_ref().map(|bytes| std::str::from_utf8(bytes)) {
            None => put(name, Value::Null),
            Some(Ok(text)) => put(name, text.into()),
            Some(Err(_)) => {
                put(&format!("{name}_base64"), STANDARD.encode(bytes.as_deref().unwrap_or_default()).into())
            }
        };
    }
    let text = |value: &Option<Vec<u8>>| value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned());
    let headers = letter.headers.iter().map(|(key, value)| json!({ "key": key, "value": text(value) }));
    put("headers", headers.collect());
    if let Some(redrive) = &info.redrive {
        put(
            "redrive",
            json!({ "state": redrive.state, "attempts": redrive.attempts, "cause": redrive.reason, "at_ms": redrive.at_ms }),
        );
    }
    shown
}

fn number(context: &BTreeMap<String, String>, name: &str) -> Option<i64> {
    context.get(name)?.parse().ok()
}

fn fared(answer: &herder::RedriveAnswer) -> Value {
    let mut shown = json!({ "partition": answer.letter.partition, "offset": answer.letter.offset });
    let more = match &answer.result {
        RedriveResult::AlreadyDelivered => json!({ "result": "already_delivered" }),
        RedriveResult::Tried(LetterOutcome::Delivered { records }) => {
            json!({ "result": "delivered", "records": records })
        }
        RedriveResult::Tried(LetterOutcome::Preview { records }) => json!({ "result": "preview", "records": records }),
        RedriveResult::Tried(LetterOutcome::Failed { stage, class, reason }) => {
            json!({ "result": "failed", "stage": stage, "class": class, "cause": reason })
        }
    };
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    shown
}
