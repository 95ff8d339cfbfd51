//! [`HttpRegistry`]: a client of any registry that speaks Confluent's REST API.
//!
//! Several URLs are tried in turn, beginning with the one that answered last. What never changes (a schema under its id, a
//! numbered version) is kept by who asks. Source: Confluent `CachedSchemaRegistryClient`, `RestService`.

use crate::wire::{CONTENT_TYPE, CompatibilityCheck, ConfigBody, ConfigUpdate, ErrorBody, SchemaBody};
use reqwest::header::{ACCEPT, CONTENT_TYPE as CONTENT_TYPE_HEADER};
use reqwest::{Client, Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_connect_api::schema_registry::{CompatibilityLevel, SchemaText, SubjectVersion, VersionSelector};
use sluice_connect_api::{ConfigMap, RegistryError, SchemaRegistry};
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

type Result<T> = std::result::Result<T, RegistryError>;

/// A schema may be large; an answer that is larger still is none.
const ANSWER_BYTES_MAX: usize = 64 << 20;
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

pub struct HttpRegistry {
    client: Client,
    /// With a slash at the end, and without credentials.
    urls: Vec<Url>,
    credentials: Credentials,
    /// The URL that answered last.
    current: AtomicUsize,
}

enum Credentials {
    None,
    Basic { user: String, password: String },
    Bearer { token: String },
}

impl HttpRegistry {
    /// From the keys of `converters_registry::config::client_config_def`; `schema.registry.url` must be there.
    ///
    /// # Errors
    /// A URL that is none, credentials that are missing, a certificate that cannot be read.
    pub fn new(config: &ConfigMap) -> std::result::Result<Self, String> {
        let given = config.get("schema.registry.url").map_or("", String::as_str);
        let mut urls = Vec::new();
        let mut of_url = None;
        for text in given.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let (url, user_info) = parse_url(text)?;
            of_url = of_url.or(user_info);
            urls.push(url);
        }
        if urls.is_empty() {
            return Err("Missing required configuration \"schema.registry.url\"".to_owned());
        }
        // An error means that the process has one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let duration = |name: &str| {
            let ms = config.get(name).and_then(|text| text.parse().ok());
            ms.map_or(TIMEOUT_DEFAULT, Duration::from_millis)
        };
        let mut builder = Client::builder()
            .connect_timeout(duration("http.connect.timeout.ms"))
            .timeout(duration("http.read.timeout.ms"))
            // A redirect could carry the credentials elsewhere.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = config.get("schema.registry.ssl.ca.location") {
            let pem =
                std::fs::read(path).map_err(|error| format!("schema.registry.ssl.ca.location {path}: {error}"))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| {
                format!("schema.registry.ssl.ca.location {path} holds no certificates in PEM: {error}")
            })?;
            for certificate in certificates {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder.build().map_err(|error| format!("the HTTP client cannot be made: {}", chain(&error)))?;
        let credentials = credentials(config, of_url)?;
        Ok(Self { client, urls, credentials, current: AtomicUsize::new(0) })
    }

    /// Tries each URL once.
    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T> {
        let first = self.current.load(Ordering::Relaxed);
        let mut failed = None;
        for attempt in 0..self.urls.len() {
            let index = (first + attempt) % self.urls.len();
            let url = address(&self.urls[index], path, query);
            match self.send_to(&method, url, body).await {
                Err(error) if error.is_retriable() => failed = Some(error),
                answered => {
                    self.current.store(index, Ordering::Relaxed);
                    return answered;
                }
            }
        }
        Err(failed.unwrap_or_else(|| RegistryError::unreachable("no URL")))
    }

    async fn send_to<T: DeserializeOwned>(
        &self,
        method: &Method,
        url: Url,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let unreachable = |error: reqwest::Error| {
            RegistryError::unreachable(format!("{host} does not answer: {}", chain(&error.without_url())))
        };
        let mut request = self.client.request(method.clone(), url).header(ACCEPT, CONTENT_TYPE);
        request = match &self.credentials {
            Credentials::None => request,
            Credentials::Basic { user, password } => request.basic_auth(user, Some(password)),
            Credentials::Bearer { token } => request.bearer_auth(token),
        };
        if let Some(body) = body {
            let body = serde_json::to_vec(body).expect("a body of this crate is JSON");
            request = request.header(CONTENT_TYPE_HEADER, CONTENT_TYPE).body(body);
        }
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if answer.len() + chunk.len() > ANSWER_BYTES_MAX {
                let message = format!("{host} answers with more than {ANSWER_BYTES_MAX} bytes");
                return Err(RegistryError::new(413, message));
            }
            answer.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(refused(&host, status, &answer));
        }
        serde_json::from_slice(&answer).map_err(|error| {
            RegistryError::new(422, format!("{host} does not answer as a schema registry does: {error}"))
        })
    }
}

const NO_BODY: Option<&SchemaBody> = None;

#[async_trait::async_trait]
impl SchemaRegistry for HttpRegistry {
    async fn register(&self, subject: &str, schema: &SchemaText, normalize: bool) -> Result<u32> {
        let body = SchemaBody::of_schema(schema);
        let path = ["subjects", subject, "versions"];
        let answer: SchemaBody = self.send(Method::POST, &path, normalized(normalize), Some(&body)).await?;
        let id = answer.id.and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| RegistryError::new(422, "the registry's answer has no id"))
    }

    async fn lookup(&self, subject: &str, schema: &SchemaText, normalize: bool) -> Result<SubjectVersion> {
        let body = SchemaBody::of_schema(schema);
        let path = ["subjects", subject];
        let answer: SchemaBody = self.send(Method::POST, &path, normalized(normalize), Some(&body)).await?;
        answer.into_version()
    }

    async fn schema_by_id(&self, id: u32) -> Result<SchemaText> {
        let path = ["schemas", "ids", &id.to_string()];
        let answer: SchemaBody = self.send(Method::GET, &path, &[("fetchMaxId", "false")], NO_BODY).await?;
        answer.into_schema()
    }

    async fn version(&self, subject: &str, version: VersionSelector) -> Result<SubjectVersion> {
        let (version, query) = match version {
            VersionSelector::Latest => ("latest".to_owned(), &[][..]),
            // What is referred to may be soft-deleted.
            VersionSelector::Number(number) => (number.to_string(), &[("deleted", "true")][..]),
        };
        let path = ["subjects", subject, "versions", &version];
        let answer: SchemaBody = self.send(Method::GET, &path, query, NO_BODY).await?;
        answer.into_version()
    }

    async fn check_compatibility(
        &self,
        subject: &str,
        version: VersionSelector,
        schema: &SchemaText,
    ) -> Result<Vec<String>> {
        let version = match version {
            VersionSelector::Latest => "latest".to_owned(),
            VersionSelector::Number(number) => number.to_string(),
        };
        let path = ["compatibility", "subjects", subject, "versions", &version];
        let body = SchemaBody::of_schema(schema);
        let answer: CompatibilityCheck = self.send(Method::POST, &path, &[("verbose", "true")], Some(&body)).await?;
        let messages = answer.messages.unwrap_or_default();
        Ok(match (answer.is_compatible, messages.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => vec!["the registry says that the schema is not compatible".to_owned()],
            (false, false) => messages,
        })
    }

    async fn compatibility(&self, subject: Option<&str>) -> Result<CompatibilityLevel> {
        let mut path = vec!["config"];
        path.extend(subject);
        let answer: ConfigBody = self.send(Method::GET, &path, &[("defaultToGlobal", "true")], NO_BODY).await?;
        answer.compatibility_level.parse()
    }

    async fn set_compatibility(&self, subject: Option<&str>, level: CompatibilityLevel) -> Result<()> {
        let mut path = vec!["config"];
        path.extend(subject);
        let body = ConfigUpdate { compatibility: Some(level.name().to_owned()) };
        let _: ConfigUpdate = self.send(Method::PUT, &path, &[], Some(&body)).await?;
        Ok(())
    }
}

fn normalized(normalize: bool) -> &'static [(&'static str, &'static str)] {
    if normalize { &[("normalize", "true")] } else { &[] }
}

fn address(base: &Url, path: &[&str], query: &[(&str, &str)]) -> Url {
    let mut url = base.clone();
    url.path_segments_mut().expect("an http URL has a path").pop_if_empty().extend(path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

type UserInfo = (String, String);

/// The URL without its credentials, and these.
fn parse_url(text: &str) -> std::result::Result<(Url, Option<UserInfo>), String> {
    // Never the text itself: it may hold a password.
    let invalid = |reason: &str| format!("schema.registry.url holds what is no URL of a registry: {reason}");
    let mut url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("it must begin with http:// or https://"));
    }
    let decoded = |text: &str| {
        let pair = format!("t={}", text.replace('+', "%2B"));
        url::form_urlencoded::parse(pair.as_bytes()).next().map_or_else(String::new, |(_, text)| text.into_owned())
    };
    let user_info =
        (!url.username().is_empty()).then(|| (decoded(url.username()), decoded(url.password().unwrap_or_default())));
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok((url, user_info))
}

fn credentials(config: &ConfigMap, of_url: Option<UserInfo>) -> std::result::Result<Credentials, String> {
    let get = |name: &str| config.get(name).map(String::as_str).filter(|value| !value.is_empty());
    match (get("basic.auth.credentials.source"), get("bearer.auth.credentials.source")) {
        (None | Some("URL"), None) => Ok(match of_url {
            Some((user, password)) => Credentials::Basic { user, password },
            None => Credentials::None,
        }),
        (Some("USER_INFO"), _) => {
            let user_info = get("basic.auth.user.info").or(get("schema.registry.basic.auth.user.info"));
            let split = user_info.and_then(|user_info| user_info.split_once(':'));
            let (user, password) =
                split.ok_or("basic.auth.credentials.source=USER_INFO needs basic.auth.user.info=user:password")?;
            Ok(Credentials::Basic { user: user.to_owned(), password: password.to_owned() })
        }
        (None, Some("STATIC_TOKEN")) => {
            let token = get("bearer.auth.token");
            let token = token.ok_or("bearer.auth.credentials.source=STATIC_TOKEN needs bearer.auth.token")?;
            Ok(Credentials::Bearer { token: token.to_owned() })
        }
        (Some(other), _) => {
            Err(format!("basic.auth.credentials.source={other} is not supported; there are URL and USER_INFO"))
        }
        (_, Some(other)) => {
            Err(format!("bearer.auth.credentials.source={other} is not supported; there is STATIC_TOKEN"))
        }
    }
}

fn refused(host: &str, status: StatusCode, answer: &[u8]) -> RegistryError {
    match serde_json::from_slice::<ErrorBody>(answer) {
        Ok(body) => RegistryError::new(body.error_code, body.message),
        Err(_) => RegistryError::new(status.as_u16().into(), format!("{host} answered {status}")),
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
