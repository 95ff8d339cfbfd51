//! Which hosts and addresses may be connected to.
//!
//! Names are resolved here, all addresses of a name are checked, and the connection goes to a checked address: a name that changes its
//! mind between check and connection (DNS rebinding) gains nothing. Addresses written into a URL, in whatever form, are checked as well.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use sluice_capability::Ceiling;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use url::{Host, Url};

/// The worker's ceiling for HTTP.
#[derive(Debug, Default)]
pub struct EgressPolicy {
    /// None: any.
    hosts: Option<Vec<String>>,
    ports: Option<Vec<u16>>,
    allow_private: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("the scheme {scheme:?} is not allowed: use http or https")]
    Scheme { scheme: String },
    #[error("the URL has no host")]
    NoHost,
    #[error("the URL carries credentials; name them in the connector's config instead")]
    Credentials,
    #[error("host {host:?} is not allowed; add it to capabilities.http.hosts")]
    Host { host: String },
    #[error("port {port} is not allowed; add it to capabilities.http.ports")]
    Port { port: u16 },
    #[error("host {host:?} has the address {address}, which is not public; add the host to capabilities.http.hosts")]
    Address { host: String, address: IpAddr },
}

/// How far away an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Public,
    /// Of this machine or a private network: reachable when the ceiling says so.
    Private,
    /// Link-local (cloud metadata), multicast, reserved: never.
    Never,
}

impl EgressPolicy {
    #[must_use]
    pub fn new(ceiling: &Ceiling) -> Self {
        let hosts =
            ceiling.get("hosts").map(|hosts| hosts.iter().map(|host| host.trim().to_ascii_lowercase()).collect());
        let ports =
            ceiling.get("ports").map(|ports| ports.iter().filter_map(|port| port.trim().parse().ok()).collect());
        let allow_private = ceiling.get("allow-private-addresses").is_some_and(|values| values == ["true"]);
        Self { hosts, ports, allow_private }
    }

    /// What can be said before anything is resolved.
    ///
    /// # Errors
    /// Why not.
    pub fn check_url(&self, url: &Url) -> Result<(), Denied> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Denied::Scheme { scheme: url.scheme().to_owned() });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Denied::Credentials);
        }
        let host = url.host().ok_or(Denied::NoHost)?;
        let (text, port) = (host_text(&host), url.port_or_known_default().unwrap_or(0));
        if !self.names(&text, Some(port), true) {
            return Err(Denied::Host { host: text });
        }
        if self.ports.as_ref().is_some_and(|ports| !ports.contains(&port)) {
            return Err(Denied::Port { port });
        }
        match host {
            Host::Ipv4(address) => self.check_address(&text, address.into()),
            Host::Ipv6(address) => self.check_address(&text, address.into()),
            Host::Domain(_) => Ok(()),
        }
    }

    /// # Errors
    /// [`Denied::Address`].
    pub fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Denied> {
        let is_allowed = match reach(address) {
            Reach::Public => true,
            Reach::Private => self.allow_private || (self.hosts.is_some() && self.names(host, None, false)),
            Reach::Never => false,
        };
        if is_allowed { Ok(()) } else { Err(Denied::Address { host: host.to_owned(), address }) }
    }

    /// Whether the list names this host; `port` None: with any port.
    fn names(&self, host: &str, port: Option<u16>, with_wildcards: bool) -> bool {
        let Some(hosts) = &self.hosts else { return true };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        hosts.iter().any(|allowed| {
            let (name, allowed_port) = split_port(allowed);
            if let (Some(allowed), Some(port)) = (allowed_port, port)
                && allowed != port
            {
                return false;
            }
            match name.strip_prefix("*.") {
                Some(domain) => with_wildcards && host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
                None => name == host,
            }
        })
    }
}

/// `host:8080`, `[::1]:8080`, `host`, `::1`.
fn split_port(text: &str) -> (&str, Option<u16>) {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return (address, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, port.parse().ok()),
        _ => (text, None),
    }
}

fn host_text(host: &Host<&str>) -> String {
    match host {
        Host::Domain(name) => (*name).to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    }
}

/// Where an address leads. IPv6 forms that carry an IPv4 address are judged by it.
#[must_use]
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

/// Source: IANA IPv4 Special-Purpose Address Registry.
fn reach_v4(address: Ipv4Addr) -> Reach {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        // "This" network; link-local, which holds the metadata services of clouds; multicast and reserved.
        (0, ..) | (169, 254, _) | (224.., ..) => Reach::Never,
        (10 | 127, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Reach::Private,
        // Protocol assignments, documentation, benchmarks.
        (192, 0, 0 | 2) | (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113) => Reach::Private,
        _ => Reach::Public,
    }
}

/// Source: IANA IPv6 Special-Purpose Address Registry.
fn reach_v6(address: Ipv6Addr) -> Reach {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        reach_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        _ if address == Ipv6Addr::LOCALHOST => Reach::Private,
        _ if address.is_unspecified() => Reach::Never,
        // ::ffff:a.b.c.d and ::a.b.c.d.
        (0, 0) if c == 0 && d == 0 && e == 0 && (f == 0xffff || f == 0) => embedded(g, h),
        // ::ffff:0:a.b.c.d (translated), 64:ff9b::a.b.c.d (NAT64), 2002:a.b.c.d:: (6to4).
        (0, 0) if c == 0 && d == 0 && e == 0xffff && f == 0 => embedded(g, h),
        (0x64, 0xff9b) => {
            if c == 0 {
                embedded(g, h)
            } else {
                Reach::Private
            }
        }
        (0x2002, _) => embedded(b, c),
        // Teredo hides its IPv4 address; fec0::/10 was site-local; documentation.
        (0x2001, 0) | (0x2001, 0xdb8) => Reach::Private,
        // The metadata service of AWS over IPv6.
        (0xfd00, 0xec2) => Reach::Never,
        (0xfc00..=0xfdff, _) | (0xfec0..=0xfeff, _) => Reach::Private,
        (0xfe80..=0xfebf, _) | (0xff00..=0xffff, _) => Reach::Never,
        (0x2000..=0x3fff, _) => Reach::Public,
        _ => Reach::Never,
    }
}

/// Resolves names, and refuses one of which any address is denied.
pub struct CheckedResolver {
    pub policy: Arc<EgressPolicy>,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.policy.clone();
        Box::pin(async move {
            let host = name.as_str();
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            for address in &addresses {
                policy.check_address(host, address.ip())?;
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(hosts: Option<&[&str]>, ports: Option<&[&str]>, private: bool) -> EgressPolicy {
        let mut ceiling = Ceiling::default();
        let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        if let Some(hosts) = hosts {
            ceiling.0.insert("hosts".into(), owned(hosts));
        }
        if let Some(ports) = ports {
            ceiling.0.insert("ports".into(), owned(ports));
        }
        if private {
            ceiling.0.insert("allow-private-addresses".into(), owned(&["true"]));
        }
        EgressPolicy::new(&ceiling)
    }

    #[test]
    fn only_public_addresses_are_public() {
        for (text, expected) in [
            ("93.184.216.34", Reach::Public),
            ("172.15.255.255", Reach::Public),
            ("172.32.0.0", Reach::Public),
            ("2606:2800:220:1::1", Reach::Public),
            ("::ffff:93.184.216.34", Reach::Public),
            ("127.0.0.1", Reach::Private),
            ("127.255.255.255", Reach::Private),
            ("10.0.0.1", Reach::Private),
            ("172.16.0.1", Reach::Private),
            ("172.31.255.255", Reach::Private),
            ("192.168.1.1", Reach::Private),
            ("100.64.0.1", Reach::Private),
            ("100.127.255.255", Reach::Private),
            ("198.18.0.1", Reach::Private),
            ("::1", Reach::Private),
            ("::ffff:127.0.0.1", Reach::Private),
            ("::ffff:10.1.2.3", Reach::Private),
            ("::127.0.0.1", Reach::Private),
            ("::ffff:0:127.0.0.1", Reach::Private),
            ("64:ff9b::10.0.0.1", Reach::Private),
            ("2002:7f00:1::", Reach::Private),
            ("2001::1", Reach::Private),
            ("fd12:3456::1", Reach::Private),
            ("fec0::1", Reach::Private),
            ("0.0.0.0", Reach::Never),
            ("0.1.2.3", Reach::Never),
            ("169.254.169.254", Reach::Never),
            ("::ffff:169.254.169.254", Reach::Never),
            ("64:ff9b::a9fe:a9fe", Reach::Never),
            ("224.0.0.1", Reach::Never),
            ("255.255.255.255", Reach::Never),
            ("240.0.0.1", Reach::Never),
            ("::", Reach::Never),
            ("fe80::1", Reach::Never),
            ("ff02::1", Reach::Never),
            ("fd00:ec2::254", Reach::Never),
            ("5f00::1", Reach::Never),
        ] {
            assert_eq!(reach(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn addresses_are_denied_in_every_form_of_a_url() {
        let public = policy(None, None, false);
        for text in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://169.254.169.254/latest/meta-data",
            "http://2852039166/",
            "http://[fd00:ec2::254]/",
            "http://①②⑦.0.0.1/",
        ] {
            let denied = public.check_url(&Url::parse(text).unwrap());
            assert!(matches!(denied, Err(Denied::Address { .. })), "{text}: {denied:?}");
        }
        for (text, expected) in [
            ("ftp://example.com/", Denied::Scheme { scheme: "ftp".into() }),
            ("file:///etc/passwd", Denied::Scheme { scheme: "file".into() }),
            ("http://user@example.com/", Denied::Credentials),
            ("http://:secret@example.com/", Denied::Credentials),
        ] {
            assert_eq!(public.check_url(&Url::parse(text).unwrap()), Err(expected), "{text}");
        }
        assert_eq!(public.check_url(&Url::parse("https://example.com/").unwrap()), Ok(()));
    }

    #[test]
    fn the_ceiling_names_hosts_and_ports() {
        let check = |policy: &EgressPolicy, url: &str| policy.check_url(&Url::parse(url).unwrap());
        let some = policy(
            Some(&["api.example.com", "*.partner.org", "10.0.0.5:8080", "[::1]:9000"]),
            Some(&["443", "8080", "9000"]),
            false,
        );
        assert_eq!(check(&some, "https://api.example.com/"), Ok(()));
        assert_eq!(check(&some, "https://API.example.com./"), Ok(()));
        assert_eq!(check(&some, "https://a.b.partner.org/"), Ok(()));
        assert_eq!(check(&some, "http://10.0.0.5:8080/"), Ok(()));
        assert_eq!(check(&some, "http://[::1]:9000/"), Ok(()));
        assert!(matches!(check(&some, "https://partner.org/"), Err(Denied::Host { .. })));
        assert!(matches!(check(&some, "https://evilpartner.org/"), Err(Denied::Host { .. })));
        assert!(matches!(check(&some, "https://api.example.com.evil.org/"), Err(Denied::Host { .. })));
        assert!(matches!(check(&some, "http://10.0.0.5:9000/"), Err(Denied::Host { .. })));
        assert!(matches!(check(&some, "http://api.example.com/"), Err(Denied::Port { port: 80 })));
        assert_eq!(check(&policy(None, None, true), "http://192.168.0.1/"), Ok(()));
        assert!(check(&policy(None, None, true), "http://169.254.169.254/").is_err(), "metadata stays closed");
        assert!(check(&policy(Some(&["169.254.169.254"]), None, true), "http://169.254.169.254/").is_err());
    }

    #[test]
    fn a_name_may_be_private_only_when_it_is_named_itself() {
        let some = policy(Some(&["db.internal", "*.internal"]), None, false);
        let private = "10.0.0.1".parse().unwrap();
        assert_eq!(some.check_address("db.internal", private), Ok(()));
        assert!(some.check_address("other.internal", private).is_err());
        assert!(policy(None, None, false).check_address("db.internal", private).is_err());
    }
}
