//! A small client for the hub's REST API.

use crate::args::Remote;
use crate::exit::Exit;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::future::Future;
use std::time::Duration;

/// Kafka Connect's port.
const URL: &str = "http://127.0.0.1:8083";
const TIMEOUT: Duration = Duration::from_secs(100);

/// Runs a remote command; one thread is plenty.
pub fn run(command: impl Future<Output = Result<(), Exit>>) -> Result<(), Exit> {
    install_tls();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Exit::failed(&error))?.block_on(command)
}

/// Who provides TLS in this process. A second call changes nothing.
pub fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

pub struct Client {
    http: reqwest::Client,
    url: String,
}

/// What the hub said: a body (null when empty) and the keys of a config that it ignores.
pub struct Reply {
    pub body: Value,
    pub ignored_keys: Option<String>,
}

impl Client {
    pub fn new(remote: &Remote) -> Result<Self, Exit> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(|error| Exit::failed(&error))?;
        let url = remote.url.as_deref().unwrap_or(URL);
        Ok(Self { http, url: url.trim_end_matches('/').to_owned() })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn get(&self, path: &str) -> Result<Value, Exit> {
        Ok(self.send(Method::GET, path, None).await?.body)
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply, Exit> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(body);
        }
        let unreachable = |error: reqwest::Error| Exit::Unreachable {
            url: self.url.clone(),
            reason: crate::exit::chain(&error.without_url()),
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let ignored = response.headers().get("sluice-ignored-keys").and_then(|value| value.to_str().ok());
        let ignored_keys = ignored.map(str::to_owned);
        let text = response.text().await.map_err(unreachable)?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(Reply { body, ignored_keys });
        }
        let message = body["message"].as_str().map_or_else(|| format!("HTTP {status}: {text}"), str::to_owned);
        Err(match status {
            StatusCode::NOT_FOUND => Exit::NotFound { message },
            StatusCode::CONFLICT => Exit::Conflict { message },
            StatusCode::BAD_REQUEST => Exit::Invalid { message },
            _ => Exit::Failed { message },
        })
    }
}

/// A path segment: names may hold anything.
pub fn segment(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
