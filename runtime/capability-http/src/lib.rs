//! The http capability: requests to granted endpoints.
//!
//! A guest reaches only the origins that its config names, with credentials that the host adds and the guest never sees. Every address that
//! a name resolves to is checked before it is connected to, and so is every redirect: private networks and the machine itself stay
//! out of reach unless the worker's ceiling opens them. See [`address`].

pub mod address;
mod config;
mod host;
mod request;
mod response;
mod streaming;

pub use config::Endpoints;
pub use response::Response;

use address::{CheckedResolver, EgressPolicy};
use sluice_capability::{Capability, Ceiling, GrantError, Grants, GuestIdentity, GuestState, HasGuest};
use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub mod bindings {
    //! Host-side bindings of `sluice:http`.
    wasmtime::component::bindgen!({
        path: ["../../plugins-sdk/wit/data", "../../plugins-sdk/wit/http"],
        world: "sluice:http/imports",
        imports: { default: async | trappable },
        with: {
            "sluice:data/errors": sluice_capability::bindings::errors,
            "sluice:data/batches": sluice_capability::bindings::batches,
            "sluice:data/operations": sluice_capability::bindings::operations,
            "sluice:data/writers": sluice_capability::bindings::writers,
            "sluice:http/http.response": crate::Response,
        },
    });
}

/// The name in definitions and grants.
pub const NAME: &str = "http";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// HTTP, for all guests of this process: one pool of connections.
pub struct HttpCapability {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub policy: Arc<EgressPolicy>,
    client: OnceLock<reqwest::Client>,
}

impl HttpCapability {
    /// Ceiling: `hosts` (`api.example.com`, `10.0.0.5:8080`, `*.example.com`; absent: any public one), `ports` (absent: any),
    /// `allow-private-addresses` (`true`). A host that `hosts` names without a wildcard may be a private one.
    #[must_use]
    pub fn new(ceiling: &Ceiling) -> Self {
        let policy = Arc::new(EgressPolicy::new(ceiling));
        Self { shared: Arc::new(Shared { policy, client: OnceLock::new() }) }
    }
}

impl Shared {
    /// Made at the first request: most hubs never send one.
    pub(crate) fn client(&self) -> Result<&reqwest::Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        // An error means that the process has one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .dns_resolver(CheckedResolver { policy: self.policy.clone() })
            // A proxy would resolve names where nobody checks them.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()?;
        Ok(self.client.get_or_init(|| client))
    }
}

impl Capability for HttpCapability {
    fn name(&self) -> &'static str {
        NAME
    }

    fn link(&self, linker: &mut wasmtime::component::Linker<GuestState>) -> wasmtime::Result<()> {
        bindings::sluice::http::http::add_to_linker::<GuestState, HasGuest>(linker, |state| state)
    }

    fn prepare(&self, identity: &GuestIdentity, grants: &Grants) -> Result<Box<dyn Any + Send>, GrantError> {
        let endpoints = Endpoints::allow(&identity.connector, grants, &self.shared)?;
        Ok(Box::new(Arc::new(endpoints)))
    }
}
