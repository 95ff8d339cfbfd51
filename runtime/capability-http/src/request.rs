//! Sending: checks, credentials, redirects, timeouts.

use crate::address::Denied;
use crate::bindings::sluice::http::http::Request;
use crate::config::Endpoints;
use crate::response::Response;
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use sluice_capability::CapabilityError;
use sluice_capability::bindings::errors::Error;
use std::time::Duration;
use url::Url;

/// As most browsers; each is checked like the first URL.
const REDIRECTS_MAX: usize = 10;
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
const TIMEOUT_MAX: Duration = Duration::from_secs(300);
/// Headers that belong to the connection: a guest could cut requests into others with them.
const OWN_HEADERS: [&str; 10] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
];

/// A request that may be sent.
pub struct Prepared {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub timeout: Duration,
}

impl Prepared {
    /// # Errors
    /// `not-granted`, or rejected when the request is malformed.
    pub fn new(endpoints: &Endpoints, request: &Request) -> Result<Self, Error> {
        let method = Method::from_bytes(request.method.to_ascii_uppercase().as_bytes())
            .ok()
            .filter(|method| *method != Method::CONNECT && *method != Method::TRACE)
            .ok_or_else(|| {
                CapabilityError::rejected("http.bad-method", format!("{:?} is no method to use", request.method))
            })?;
        let url = endpoints.resolve(&request.url)?;
        let mut headers = headers(&request.headers)?;
        if let Some(name) = &request.credential {
            headers.insert(AUTHORIZATION, endpoints.authorization(name, &url)?);
        }
        let timeout = match request.timeout_ms {
            0 => TIMEOUT_DEFAULT,
            ms => Duration::from_millis(ms.into()).min(TIMEOUT_MAX),
        };
        Ok(Self { method, url, headers, timeout })
    }

    pub fn builder(&self, client: &reqwest::Client, body: Option<reqwest::Body>) -> reqwest::RequestBuilder {
        let builder = client.request(self.method.clone(), self.url.clone()).headers(self.headers.clone());
        match body {
            Some(body) => builder.body(body),
            None => builder,
        }
    }

    /// What a redirect asks for; `None`: the answer stands as it is.
    fn follow(
        &mut self,
        endpoints: &Endpoints,
        answer: &reqwest::Response,
        body: &mut Option<Bytes>,
    ) -> Result<bool, Error> {
        let status = answer.status();
        let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        let is_redirect =
            keeps_method || matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER);
        let Some(location) = answer.headers().get(LOCATION).filter(|_| is_redirect) else { return Ok(false) };
        let next = location.to_str().ok().and_then(|location| self.url.join(location).ok());
        let next =
            next.ok_or_else(|| CapabilityError::rejected("http.bad-redirect", "the server redirects to no URL"))?;
        endpoints.check(&next)?;
        if next.origin() != self.url.origin() {
            // A credential is for one endpoint.
            self.headers.remove(AUTHORIZATION);
            self.headers.remove(reqwest::header::COOKIE);
        }
        if !keeps_method && self.method != Method::HEAD {
            self.method = Method::GET;
            *body = None;
            for name in [reqwest::header::CONTENT_TYPE, reqwest::header::CONTENT_ENCODING] {
                self.headers.remove(name);
            }
        }
        self.url = next;
        Ok(true)
    }
}

/// # Errors
/// `not-granted` for what may not be reached, retriable when the network is at fault.
pub async fn send(endpoints: &Endpoints, request: &Request, body: Option<Vec<u8>>) -> Result<Response, Error> {
    let mut prepared = Prepared::new(endpoints, request)?;
    let client = endpoints.shared.client().map_err(|error| client_error(&error))?;
    let mut body = body.map(Bytes::from);
    let end = tokio::time::Instant::now() + prepared.timeout;
    for _ in 0..=REDIRECTS_MAX {
        let sent = prepared.builder(client, body.clone().map(reqwest::Body::from)).send();
        let answer = tokio::time::timeout_at(end, sent).await.map_err(|_| timed_out(prepared.timeout))?;
        let answer = answer.map_err(|error| request_error(&error))?;
        if !prepared.follow(endpoints, &answer, &mut body)? {
            return Ok(Response::new(answer, prepared.timeout));
        }
    }
    Err(CapabilityError::rejected("http.too-many-redirects", format!("more than {REDIRECTS_MAX} redirects")))
}

fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let bad = |reason: &str| CapabilityError::rejected("http.bad-header", format!("header {name:?} {reason}"));
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("is no header name"))?;
        if OWN_HEADERS.contains(&parsed.as_str()) {
            return Err(bad("is set by the host"));
        }
        let value = HeaderValue::from_str(value).map_err(|_| bad("has a value that no header can hold"))?;
        headers.append(parsed, value);
    }
    Ok(headers)
}

pub fn client_error(error: &reqwest::Error) -> Error {
    CapabilityError::fatal("http.client", format!("no HTTP client can be made: {}", chain(error)))
}

pub fn timed_out(timeout: Duration) -> Error {
    CapabilityError::retriable("http.timeout", format!("the server did not answer within {} ms", timeout.as_millis()))
}

/// Without the URL, which may hold secrets in its query, and without a byte of the answer.
pub fn request_error(error: &reqwest::Error) -> Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if let Some(denied) = cause.downcast_ref::<Denied>() {
            return CapabilityError::fatal("not-granted", denied.to_string());
        }
        source = cause.source();
    }
    if error.is_timeout() {
        return CapabilityError::retriable("http.timeout", "the server did not answer in time");
    }
    let code = if error.is_connect() { "http.connect" } else { "http.error" };
    CapabilityError::retriable(code, format!("the request failed: {}", chain(error)))
}

fn chain(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    if causes.is_empty() { "for an unknown reason".into() } else { causes.join(": ") }
}
