//! What a connector was given: endpoints and credentials, by name.

use crate::Shared;
use base64::Engine;
use reqwest::header::HeaderValue;
use sluice_capability::bindings::errors::Error;
use sluice_capability::{CapabilityError, GrantError, Grants, Named};
use std::collections::BTreeMap;
use std::sync::Arc;
use url::{Origin, Url};

/// The name that a definition means when it names none.
const DEFAULT: &str = "default";

/// One connector's endpoints.
pub struct Endpoints {
    pub connector: String,
    named: BTreeMap<String, Endpoint>,
    pub(crate) shared: Arc<Shared>,
}

struct Endpoint {
    url: Option<Url>,
    authorization: Option<HeaderValue>,
}

impl Endpoints {
    pub(crate) fn allow(connector: &str, grants: &Grants, shared: &Arc<Shared>) -> Result<Self, GrantError> {
        let mut named = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, settings) in &grants.named {
            match Endpoint::read(settings, shared) {
                Ok(endpoint) => drop(named.insert(name.clone(), endpoint)),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(Self { connector: connector.to_owned(), named, shared: shared.clone() })
        } else {
            Err(GrantError { problems })
        }
    }

    /// An absolute URL of a granted origin, or a path below the default endpoint.
    ///
    /// # Errors
    /// `not-granted`, or rejected `http.bad-url`.
    pub fn resolve(&self, text: &str) -> Result<Url, Error> {
        let bad =
            |reason: String| CapabilityError::rejected("http.bad-url", format!("the URL cannot be used: {reason}"));
        let url = if has_scheme(text) {
            Url::parse(text).map_err(|error| bad(error.to_string()))?
        } else {
            let base = self.named.get(DEFAULT).and_then(|endpoint| endpoint.url.as_ref());
            let base = base.ok_or_else(|| bad("a path needs an endpoint, and the config names none".into()))?;
            below(base, text).map_err(|error| bad(error.to_string()))?
        };
        self.check(&url)?;
        Ok(url)
    }

    /// Whether a request may go there: asked again for every redirect.
    ///
    /// # Errors
    /// `not-granted`.
    pub fn check(&self, url: &Url) -> Result<(), Error> {
        self.shared
            .policy
            .check_url(url)
            .map_err(|denied| CapabilityError::fatal("not-granted", denied.to_string()))?;
        let origin = url.origin();
        if self.named.values().filter_map(Endpoint::origin).any(|granted| granted == origin) {
            return Ok(());
        }
        let what = format!("the endpoint {}", origin.ascii_serialization());
        Err(CapabilityError::not_granted(&what, &self.connector, "only the endpoints in its config are"))
    }

    /// The header that a named credential becomes; only for its own endpoint.
    ///
    /// # Errors
    /// `not-granted`.
    pub fn authorization(&self, name: &str, url: &Url) -> Result<HeaderValue, Error> {
        let not_granted =
            |remedy: &str| CapabilityError::not_granted(&format!("the credential {name:?}"), &self.connector, remedy);
        let endpoint = self.named.get(name).ok_or_else(|| not_granted("name it in its config"))?;
        let own = endpoint.origin().or_else(|| self.named.get(DEFAULT).and_then(Endpoint::origin));
        if own != Some(url.origin()) {
            return Err(not_granted("it belongs to another endpoint"));
        }
        endpoint
            .authorization
            .clone()
            .ok_or_else(|| not_granted("its config has neither user and password nor a token"))
    }
}

impl Endpoint {
    fn read(settings: &Named, shared: &Shared) -> Result<Self, String> {
        let text = settings.get("url").map(str::trim).filter(|url| !url.is_empty());
        let mut url = text
            .map(|text| Url::parse(text).map_err(|error| format!("the HTTP endpoint's URL cannot be read: {error}")))
            .transpose()?;
        let mut authorization = authorization(settings.get("user"), settings.get("password"), settings.get("bearer"))?;
        if let Some(url) = &mut url {
            if authorization.is_none() && !url.username().is_empty() {
                let decoded = |text: &str| percent_decoded(text);
                authorization = basic(&decoded(url.username()), &decoded(url.password().unwrap_or_default()))?;
            }
            let _ = url.set_username("");
            let _ = url.set_password(None);
            shared
                .policy
                .check_url(url)
                .map_err(|denied| format!("HTTP endpoint {}: {denied}", url.origin().ascii_serialization()))?;
        }
        Ok(Self { url, authorization })
    }

    fn origin(&self) -> Option<Origin> {
        self.url.as_ref().map(Url::origin)
    }
}

fn authorization(
    user: Option<&str>,
    password: Option<&str>,
    bearer: Option<&str>,
) -> Result<Option<HeaderValue>, String> {
    if let Some(token) = bearer.filter(|token| !token.is_empty()) {
        return sensitive(&format!("Bearer {token}")).map(Some);
    }
    match user.filter(|user| !user.is_empty()) {
        Some(user) => basic(user, password.unwrap_or_default()),
        None => Ok(None),
    }
}

fn basic(user: &str, password: &str) -> Result<Option<HeaderValue>, String> {
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    sensitive(&format!("Basic {encoded}")).map(Some)
}

fn sensitive(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| "the HTTP token contains characters that a header cannot hold".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

fn percent_decoded(text: &str) -> String {
    url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme.chars().all(|character| character.is_ascii_alphanumeric() || "+-.".contains(character))
    })
}

/// Joined as text: what looks like another host stays a path.
fn below(base: &Url, path: &str) -> Result<Url, url::ParseError> {
    let mut text = base.clone();
    text.set_query(None);
    text.set_fragment(None);
    let joined = format!("{}/{}", text.as_str().trim_end_matches('/'), path.trim_start_matches(['/', '\\']));
    Url::parse(&joined)
}
