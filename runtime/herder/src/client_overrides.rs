//! Which settings of its Kafka clients a connector may change. Source: KIP-458, KIP-1188,
//! `org.apache.kafka.connect.connector.policy.*`.

use std::collections::BTreeSet;

/// Prefixes of the keys, in the order in which Kafka looks at them.
pub(crate) const PREFIXES: [&str; 3] = ["producer.override.", "consumer.override.", "admin.override."];

/// `connector.client.config.override.policy`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ClientConfigOverridePolicy {
    #[default]
    All,
    None,
    /// Who the client is: `sasl.jaas.config`, `sasl.mechanism`, `security.protocol`.
    Principal,
    /// `connector.client.config.override.allowlist`
    Allowlist(BTreeSet<String>),
}

impl ClientConfigOverridePolicy {
    /// By its name or class; `allowlist` is a comma-separated list.
    ///
    /// # Errors
    /// What is known, for people.
    pub fn parse(name: &str, allowlist: &str) -> Result<Self, String> {
        let simple = name.trim().rsplit('.').next().unwrap_or_default();
        let simple = simple.strip_suffix("ConnectorClientConfigOverridePolicy").unwrap_or(simple);
        match simple {
            "All" => Ok(Self::All),
            "None" => Ok(Self::None),
            "Principal" => Ok(Self::Principal),
            "Allowlist" => {
                let keys = allowlist.split(',').map(str::trim).filter(|key| !key.is_empty());
                Ok(Self::Allowlist(keys.map(str::to_owned).collect()))
            }
            _ => Err("must be All, None, Principal or Allowlist".to_owned()),
        }
    }

    /// Kafka's reason against a client's key, without its prefix.
    #[must_use]
    pub fn refusal(&self, key: &str) -> Option<String> {
        let (name, is_allowed) = match self {
            Self::All => return None,
            Self::None => ("None", false),
            Self::Principal => {
                ("Principal", matches!(key, "sasl.jaas.config" | "sasl.mechanism" | "security.protocol"))
            }
            Self::Allowlist(keys) => ("Allowlist", keys.contains(key)),
        };
        let reason =
            format!("The '{name}' policy does not allow '{key}' to be overridden in the connector configuration.");
        (!is_allowed).then_some(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_allows_its_own_keys() {
        let policy = |name: &str| ClientConfigOverridePolicy::parse(name, "acks, linger.ms").unwrap();
        let allowed = |name: &str, key: &str| policy(name).refusal(key).is_none();
        assert!(allowed("All", "acks") && !allowed("None", "acks"));
        assert!(allowed("Principal", "sasl.mechanism") && !allowed("Principal", "acks"));
        assert!(allowed("Allowlist", "acks") && !allowed("Allowlist", "retries"));
        let class = "org.apache.kafka.connect.connector.policy.NoneConnectorClientConfigOverridePolicy";
        assert_eq!(policy(class), ClientConfigOverridePolicy::None);
        assert!(ClientConfigOverridePolicy::parse("Some", "").is_err());
        let expected = "The 'None' policy does not allow 'acks' to be overridden in the connector configuration.";
        assert_eq!(policy("None").refusal("acks").unwrap(), expected);
    }
}
