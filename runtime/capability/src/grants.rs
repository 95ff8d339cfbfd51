//! What the worker allows at most ([`Ceiling`]) and what one connector was given ([`Grants`]).
//!
//! A plugin's definition marks config keys with `grants = <capability>.<setting>` or `<capability>.<setting>@<name>`; the plugin
//! host collects their values, secrets included, into [`Grants`]. The guest sees only names.

use std::collections::BTreeMap;

/// The settings of one named resource of a capability, for instance connection `default`: `url`, `user`, `password`.
/// `Debug` shows no values: they may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Named(pub BTreeMap<String, String>);

impl Named {
    #[must_use]
    pub fn get(&self, setting: &str) -> Option<&str> {
        self.0.get(setting).map(String::as_str)
    }
}

impl std::fmt::Debug for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One connector's grants for one capability: by resource name; `default` when the definition names none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    pub named: BTreeMap<String, Named>,
}

impl Grants {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Named> {
        self.named.get(name)
    }

    /// Every value of one setting over all names (for instance every granted `path`).
    pub fn values<'a>(&'a self, setting: &'a str) -> impl Iterator<Item = &'a str> {
        self.named.values().filter_map(move |named| named.get(setting))
    }
}

/// The worker's ceiling for one capability: lists of text under names that the capability defines (`roots`, `hosts`, `ports`,
/// `buckets`, `allow-private-addresses`). An absent name means its default: see the capability.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ceiling(pub BTreeMap<String, Vec<String>>);

impl Ceiling {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[String]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

/// Grants that the ceiling does not allow. One line each: what, and what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("; "))]
pub struct GrantError {
    pub problems: Vec<String>,
}
