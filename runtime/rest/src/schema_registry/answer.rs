//! Bodies in and out, and failures, as Confluent's registry has them.

use super::{BODY_BYTES_MAX, OFFERED};
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_connect_api::RegistryError;
use sluice_connect_api::schema_registry::VersionSelector;
use sluice_schema_registry::invalid_version;
use sluice_schema_registry::wire::{CONTENT_TYPE, ErrorBody};

pub type Answer<T> = Result<Json<T>, RegistryFailure>;

/// JSON of the registry's own media type.
pub struct Json<T>(pub T);

/// A schema's bare text.
pub struct Text(pub String);

/// Names the kind of schema whose compatibility was not checked.
pub const UNCHECKED: HeaderName = HeaderName::from_static("sluice-compatibility-unchecked");

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.0).expect("an answer of the registry is JSON");
        ([(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE))], body).into_response()
    }
}

impl IntoResponse for Text {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE))], self.0).into_response()
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = RegistryFailure;

    async fn from_request(request: Request, _: &S) -> Result<Self, RegistryFailure> {
        if let Some(given) = request.headers().get(header::CONTENT_TYPE) {
            let media_type = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
            if !OFFERED.iter().any(|offered| offered.eq_ignore_ascii_case(media_type)) {
                return Err(RegistryError::new(415, "HTTP 415 Unsupported Media Type").into());
            }
        }
        let bytes = to_bytes(Body::new(request.into_body()), BODY_BYTES_MAX).await;
        let bytes = bytes.map_err(|_| RegistryError::new(413, format!("the body is above {BODY_BYTES_MAX} bytes")))?;
        let parsed = serde_json::from_slice(&bytes);
        parsed
            .map(Self)
            .map_err(|error| RegistryError::new(400, format!("the request body cannot be read: {error}")).into())
    }
}

/// A refusal, as a status and a body.
pub struct RegistryFailure(RegistryError);

impl RegistryFailure {
    pub fn method_not_allowed() -> Self {
        Self(RegistryError::new(405, "HTTP 405 Method Not Allowed"))
    }

    pub fn not_acceptable() -> Self {
        Self(RegistryError::new(406, "HTTP 406 Not Acceptable"))
    }
}

impl From<RegistryError> for RegistryFailure {
    fn from(error: RegistryError) -> Self {
        Self(error)
    }
}

impl IntoResponse for RegistryFailure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::error!(error = %self.0, "a request to the schema registry failed");
        }
        let body = ErrorBody { error_code: self.0.code, message: self.0.message };
        (status, Json(body)).into_response()
    }
}

/// `latest`, `-1` (which says the same) or a number.
///
/// # Errors
/// 42202.
pub fn parse_version(text: &str) -> Result<VersionSelector, RegistryError> {
    match text {
        "latest" | "-1" => Ok(VersionSelector::Latest),
        number => match number.parse::<i32>() {
            Ok(number) if number > 0 => Ok(VersionSelector::Number(number as u32)),
            _ => Err(invalid_version(text)),
        },
    }
}

/// # Errors
/// 404, as for a path that does not exist.
pub fn parse_id(text: &str) -> Result<u32, RegistryError> {
    text.parse().map_err(|_| RegistryError::new(404, "HTTP 404 Not Found"))
}

/// # Errors
/// 400 for what is no number.
pub fn number(query: &[(String, String)], name: &str) -> Result<Option<i64>, RegistryError> {
    let given = query.iter().find(|(key, _)| key == name);
    let number = given.map(|(_, text)| text.parse::<i64>());
    number.transpose().map_err(|_| RegistryError::new(400, format!("{name} is no number")))
}

pub fn text<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(key, _)| key == name).map(|(_, text)| text.as_str())
}

/// The part of a list that `offset` and `limit` name.
///
/// # Errors
/// As [`number`].
pub fn page<T>(items: Vec<T>, query: &[(String, String)]) -> Result<Vec<T>, RegistryError> {
    let offset = number(query, "offset")?.and_then(|offset| usize::try_from(offset).ok()).unwrap_or(0);
    let limit = number(query, "limit")?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    Ok(items.into_iter().skip(offset).take(limit).collect())
}
