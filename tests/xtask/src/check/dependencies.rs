//! What crates from outside may come in: permissive licences, one version of each heavy crate, one TLS stack.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;
use crate::workspace::Workspace;

const LICENCES: [&str; 15] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Two versions of one of these cost minutes of build time and megabytes of binary, or split a type in two.
const HEAVY: [&str; 22] = [
    "arrow-array",
    "arrow-buffer",
    "arrow-schema",
    "axum",
    "bytes",
    "cranelift-codegen",
    "http",
    "hyper",
    "kafka-protocol",
    "libsqlite3-sys",
    "parquet",
    "regex",
    "reqwest",
    "ring",
    "rustls",
    "serde",
    "serde_json",
    "sqlx-core",
    "tokio",
    "tower-http",
    "wasmtime",
    "wit-bindgen",
];

/// Crates that must not come in at all, and why; the last names who may bring it all the same.
const BANNED: [(&str, &str, &str); 4] = [
    ("aws-lc-sys", "ring is the one TLS provider", ""),
    ("native-tls", "rustls is the one TLS stack", ""),
    // librdkafka is C and speaks TLS through the system's libssl.
    ("openssl-sys", "rustls is the one TLS stack", "rdkafka-sys"),
    ("hyper-tls", "rustls is the one TLS stack", ""),
];

pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let host = process::output(workspace.cargo().args(["-vV"]))?;
    let platform =
        host.lines().find_map(|line| line.strip_prefix("host: ")).context("cargo -vV names no host")?.to_owned();
    let json = process::output(workspace.cargo().args([
        "metadata",
        "--locked",
        "--format-version=1",
        "--filter-platform",
        &platform,
    ]))
    .context("is Cargo.lock up to date? `cargo build --workspace` writes it")?;
    Ok(problems(&serde_json::from_str(&json)?))
}

fn problems(metadata: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let (name, version) =
            (package["name"].as_str().unwrap_or_default(), package["version"].as_str().unwrap_or_default());
        versions.entry(name).or_default().push(version);
        let licence = package["license"].as_str().unwrap_or_default();
        if !is_allowed(licence) {
            problems.push(format!("{name} {version}: licence {licence:?} is not on the list in dependencies.rs"));
        }
        let banned = BANNED.iter().find(|(banned, _, _)| *banned == name);
        if let Some((_, reason, _)) = banned.filter(|(_, _, by)| !only_for(metadata, name, by)) {
            problems.push(format!("{name} {version} is banned: {reason}; `cargo tree -i {name}` shows who brings it"));
        }
    }
    for (name, versions) in versions.iter().filter(|(name, versions)| versions.len() > 1 && HEAVY.contains(name)) {
        problems.push(format!(
            "{name} comes in {} versions ({}); `cargo tree -d` shows why",
            versions.len(),
            versions.join(", ")
        ));
    }
    problems
}

/// Whether `by` asks for the crate, and nobody else that is built.
fn only_for(metadata: &Value, name: &str, by: &str) -> bool {
    let asks = |package: &Value| {
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        dependencies.into_iter().any(|dependency| dependency["name"] == name && dependency["optional"] != true)
            || (package["name"] == by && !by.is_empty())
    };
    let mut asking = metadata["packages"].as_array().into_iter().flatten().filter(|package| asks(package)).peekable();
    asking.peek().is_some() && asking.all(|package| package["name"] == by)
}

/// Whether an SPDX expression can be satisfied from the list: `OR` by either side, `AND` by both, `OR` binding weaker.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut position = 0;
    any_of(&tokens, &mut position) && position == tokens.len()
}

fn any_of(tokens: &[&str], position: &mut usize) -> bool {
    let mut result = all_of(tokens, position);
    while tokens.get(*position) == Some(&"OR") {
        *position += 1;
        result |= all_of(tokens, position);
    }
    result
}

fn all_of(tokens: &[&str], position: &mut usize) -> bool {
    let mut result = one(tokens, position);
    while tokens.get(*position) == Some(&"AND") {
        *position += 1;
        result &= one(tokens, position);
    }
    result
}

fn one(tokens: &[&str], position: &mut usize) -> bool {
    let Some(&token) = tokens.get(*position) else { return false };
    *position += 1;
    if token == "(" {
        let result = any_of(tokens, position);
        *position += 1;
        return result;
    }
    if tokens.get(*position) == Some(&"WITH") {
        let exception = tokens.get(*position + 1).copied().unwrap_or_default();
        *position += 2;
        return LICENCES.contains(&format!("{token} WITH {exception}").as_str());
    }
    LICENCES.contains(&token)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn licences_are_read_as_expressions() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "MIT OR LGPL-2.1-or-later",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in ["", "GPL-3.0-only", "MIT AND GPL-2.0", "(GPL-2.0 OR AGPL-3.0) AND MIT", "SSPL-1.0", "MIT MIT"] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn a_second_version_of_a_heavy_crate_a_banned_crate_and_a_bad_licence_are_named() {
        let package =
            |name: &str, version: &str, licence: &str| json!({"name": name, "version": version, "license": licence});
        let metadata = json!({"packages": [
            package("hyper", "1.0.0", "MIT"), package("hyper", "0.14.0", "MIT"), package("syn", "1.0.0", "MIT"),
            package("syn", "2.0.0", "MIT"), package("openssl-sys", "0.9.0", "MIT"), package("viral", "1.0.0", "AGPL-3.0"),
        ]});
        let found = problems(&metadata);
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(found[0].starts_with("openssl-sys 0.9.0 is banned"), "{found:#?}");
        assert!(found[1].starts_with("viral 1.0.0: licence"), "{found:#?}");
        assert!(found[2].starts_with("hyper comes in 2 versions"), "{found:#?}");
    }

    #[test]
    fn openssl_may_come_with_librdkafka_and_with_nothing_else() {
        let openssl = json!({"name": "openssl-sys", "version": "0.9.0", "license": "MIT"});
        let user = |name: &str, optional: bool| {
            let dependency = json!({"name": "openssl-sys", "optional": optional});
            json!({"name": name, "version": "1.0.0", "license": "MIT", "dependencies": [dependency]})
        };
        let found = problems(&json!({"packages": [openssl, user("rdkafka-sys", true), user("sqlx-core", true)]}));
        assert_eq!(found, Vec::<String>::new());
        let found = problems(&json!({"packages": [openssl, user("rdkafka-sys", true), user("openssl", false)]}));
        assert_eq!(found.len(), 1, "{found:#?}");
    }
}
