//! Reading requests: bodies, query flags, task numbers, what the client accepts.

use crate::dto;
use crate::error::RestError;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sluice_herder::GivenConfig;
use std::convert::Infallible;

/// Configs are kilobytes; nothing larger is taken into memory.
pub const BODY_BYTES_MAX: usize = 4 << 20;

/// What is above that is read, and not kept, up to here: a client that is still writing would see a broken connection and no answer.
const HEARD_BYTES_MAX: usize = 64 << 20;

/// A JSON body. Kafka answers malformed JSON and no body with 500; that is a client's fault, so here it is 400.
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = RestError;

    async fn from_request(request: Request, _: &S) -> Result<Self, RestError> {
        check_content_type(request.headers())?;
        let bytes = whole(request.into_body()).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) || bytes == b"null" {
            return Err(RestError::BadRequest {
                message: "the request has no body; it must be a JSON object".to_owned(),
            });
        }
        let parsed = serde_json::from_slice(&bytes).map_err(|error| RestError::BadRequest { message: wrong(&error) });
        parsed.map(Self)
    }
}

async fn whole(body: Body) -> Result<Vec<u8>, RestError> {
    let mut parts = body.into_data_stream();
    let (mut bytes, mut size) = (Vec::new(), 0);
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| RestError::BadRequest {
            message: format!("the request body did not arrive as a whole: {error}"),
        })?;
        size += part.len();
        if size > HEARD_BYTES_MAX {
            break;
        }
        if size > BODY_BYTES_MAX {
            bytes = Vec::new();
        } else {
            bytes.extend_from_slice(&part);
        }
    }
    if size <= BODY_BYTES_MAX { Ok(bytes) } else { Err(RestError::TooLarge { limit_bytes: BODY_BYTES_MAX }) }
}

/// `http://host:port` as the client wrote it; nothing when it named no host.
pub struct BaseUri(pub String);

impl<S: Send + Sync> FromRequestParts<S> for BaseUri {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        Ok(Self(host.map(|host| format!("http://{host}")).unwrap_or_default()))
    }
}

/// A request whose body means nothing; Kafka looks only at its type.
pub struct NoBody;

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = RestError;

    async fn from_request(request: Request, _: &S) -> Result<Self, RestError> {
        check_content_type(request.headers()).map(|()| Self)
    }
}

/// Begins as Kafka's text does for the two shapes that clients may look for.
fn wrong(error: &serde_json::Error) -> String {
    let text = without_value(error.to_string());
    if text.starts_with("unknown field") {
        return format!("Unrecognized field: {text}");
    }
    if error.is_data() {
        return format!("Cannot deserialize value: {text}");
    }
    format!("the request body is no JSON: {text}")
}

/// `invalid type: string "x", expected a map` without what the string holds: it may be a password in the wrong place.
fn without_value(text: String) -> String {
    match (text.find(": string \""), text.rfind("\", expected ")) {
        (Some(begin), Some(end)) if begin < end => format!("{}: string{}", &text[..begin], &text[end + 1..]),
        _ => text,
    }
}

/// A missing content type is taken for JSON, as `curl -d` users with a wrong one are told.
fn check_content_type(headers: &HeaderMap) -> Result<(), RestError> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let media_type = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(RestError::UnsupportedMediaType) }
}

/// # Errors
/// [`RestError::NotAcceptable`] when the client wants no JSON.
pub fn check_accept(headers: &HeaderMap, offered: &[&str]) -> Result<(), RestError> {
    let Some(accept) = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()) else { return Ok(()) };
    let mut ranges = accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    let is_offered = |range: &str| {
        offered.iter().any(|offer| {
            let kind = offer.split('/').next().unwrap_or_default();
            range == "*/*" || range.eq_ignore_ascii_case(offer) || range == format!("{kind}/*")
        })
    };
    if accept.trim().is_empty() || ranges.any(is_offered) { Ok(()) } else { Err(RestError::NotAcceptable) }
}

/// # Errors
/// [`RestError::BadRequest`] that names the member which is no scalar.
pub fn config_of(body: Map<String, Value>) -> Result<GivenConfig, RestError> {
    dto::given_config(body).map_err(|key| {
        let message = format!(
            "Cannot deserialize value: the configuration value of {key} is an object or an array; give text, a number or a boolean"
        );
        RestError::BadRequest { message }
    })
}

/// Java's `Boolean.valueOf`: Python clients send `True`.
pub fn is_true(query: &[(String, String)], name: &str) -> bool {
    query.iter().any(|(key, value)| key == name && value.eq_ignore_ascii_case("true"))
}

/// # Errors
/// [`RestError::NotFound`], as for any path that does not exist.
pub fn task_number(text: &str) -> Result<i32, RestError> {
    text.parse().map_err(|_| RestError::NotFound)
}

/// The number behind `name`, if it was given.
///
/// # Errors
/// [`RestError::BadRequest`] when it is none.
pub fn parameter(query: &[(String, String)], name: &str) -> Result<Option<i64>, RestError> {
    let Some((_, text)) = query.iter().find(|(key, _)| key == name) else { return Ok(None) };
    let message = || format!("{name}={text} is no number");
    text.parse().map(Some).map_err(|_| RestError::BadRequest { message: message() })
}
