//! Which values are likely, and whether a key matters at all beside the others. Source: Kafka `ConfigDef.Recommender`.

use super::ConfigMap;
use std::fmt;
use std::sync::Arc;

/// Values to offer, and whether the key is to be shown.
pub type Recommended = (Vec<String>, bool);

/// Asked with the key's name and every value that could be parsed. A value that is not recommended is not wrong.
#[derive(Clone)]
pub struct Recommender(Arc<Ask>);

type Ask = dyn Fn(&str, &ConfigMap) -> Recommended + Send + Sync;

impl Recommender {
    #[must_use]
    pub fn new(ask: impl Fn(&str, &ConfigMap) -> Recommended + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    /// Always these values. Source: Kafka `EnumRecommender`.
    #[must_use]
    pub fn of(values: &[&str]) -> Self {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        Self::new(move |_, _| (values.clone(), true))
    }

    pub(super) fn ask(&self, name: &str, values: &ConfigMap) -> Recommended {
        (self.0)(name, values)
    }
}

impl fmt::Debug for Recommender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recommender")
    }
}

/// Two definitions with one recommender are equal; what another would say is not known.
impl PartialEq for Recommender {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
