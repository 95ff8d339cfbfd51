//! Which crate may depend on which. `runtime/docs/ARCHITECTURE.md` draws the layers.

use crate::workspace::{Dependency, Layer, Package};

const SDK: &str = "plugins-sdk/rust";
const TESTS: u64 = 7;

/// Crates from outside that only some of ours may use, and those that may.
const RESERVED: [(&str, &[&str]); 3] = [
    ("wasmtime", &["runtime/plugin-host", "runtime/capability"]),
    ("sqlx", &["runtime/capability-sql"]),
    ("rdkafka", &["broker/client-kafka"]),
];

pub fn problems(members: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    for package in members {
        let Some(layer) = package.layer else {
            problems.push(format!(
                "{}: no layer; add `[package.metadata.sluice] layer = N` to {}/Cargo.toml",
                package.name, package.folder
            ));
            continue;
        };
        for dependency in &package.dependencies {
            match members.iter().find(|member| member.name == dependency.name) {
                Some(on) => problems.extend(inside(package, layer, dependency, on)),
                None => problems.extend(outside(package, layer, dependency)),
            }
        }
    }
    problems
}

/// An edge between two crates of the project. What a test of a crate uses is its own matter, except that the broker stays apart.
fn inside(package: &Package, layer: Layer, dependency: &Dependency, on: &Package) -> Option<String> {
    let edge = format!("{} -> {}", package.name, on.name);
    if package.folder.starts_with("broker/") && !on.folder.starts_with("broker/") {
        return Some(format!("{edge}: the broker has never heard of the runtime"));
    }
    if dependency.is_dev {
        return None;
    }
    let is_capability = |package: &Package| package.folder.starts_with("runtime/capability-");
    if is_capability(package) && is_capability(on) {
        return Some(format!(
            "{edge}: capabilities never depend on each other; what they share belongs to runtime/capability"
        ));
    }
    match (layer, on.layer) {
        (Layer::Guest, _) if on.folder == SDK => None,
        (Layer::Guest, _) => Some(format!("{edge}: a guest depends on the guest SDK only")),
        (Layer::Number(TESTS), _) => None,
        (Layer::Number(_), Some(Layer::Guest)) => {
            Some(format!("{edge}: a host crate cannot depend on a guest; they share the WIT files only"))
        }
        (Layer::Number(from), Some(Layer::Number(to))) if to >= from => Some(format!(
            "{edge}: layer {from} may depend on lower layers only, and {} has layer {to}; turn the edge round or move what both need down",
            on.name
        )),
        _ => None,
    }
}

fn outside(package: &Package, layer: Layer, dependency: &Dependency) -> Option<String> {
    let (crate_name, owners) = RESERVED.iter().find(|(name, _)| *name == dependency.name)?;
    let may = layer == Layer::Number(TESTS)
        || owners.iter().any(|owner| package.folder == *owner)
        || (*crate_name == "wasmtime" && package.folder.starts_with("runtime/capability-"));
    (!may).then(|| format!("{} -> {crate_name}: only {} may use it", package.name, owners.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::workspace::packages;

    fn member(folder: &str, layer: Value, dependencies: &[(&str, &str)]) -> Value {
        let dependencies: Vec<Value> = dependencies
            .iter()
            .map(|(name, kind)| json!({"name": name, "kind": if *kind == "dev" { json!("dev") } else { Value::Null }}))
            .collect();
        json!({
            "name": folder.rsplit('/').next(),
            "manifest_path": format!("/w/{folder}/Cargo.toml"),
            "metadata": {"sluice": {"layer": layer}},
            "dependencies": dependencies,
            "targets": [],
        })
    }

    #[track_caller]
    fn check(members: Vec<Value>, expected: &[&str]) {
        let found = problems(&packages(&json!({"workspace_root": "/w", "packages": members})));
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }

    #[test]
    fn an_edge_down_is_fine_and_one_up_or_sideways_is_not() {
        check(
            vec![
                member("runtime/data", json!(0), &[]),
                member("runtime/worker", json!(3), &[("data", "normal")]),
                member("runtime/herder", json!(4), &[("worker", "normal"), ("data", "normal")]),
            ],
            &[],
        );
        check(
            vec![
                member("runtime/data", json!(0), &[("worker", "normal")]),
                member("runtime/worker", json!(3), &[("storage", "normal")]),
                member("runtime/storage", json!(3), &[]),
            ],
            &["data -> worker: layer 0", "worker -> storage: layer 3"],
        );
    }

    #[test]
    fn a_test_of_a_crate_may_look_up_but_the_broker_stays_apart_even_there() {
        check(
            vec![
                member("runtime/data", json!(0), &[("worker", "dev")]),
                member("runtime/worker", json!(3), &[]),
                member("broker/log", json!(2), &[("data", "dev"), ("client", "normal")]),
                member("broker/client", json!(1), &[("data", "normal")]),
            ],
            &["log -> data: the broker", "client -> data: the broker"],
        );
    }

    #[test]
    fn a_guest_sees_the_sdk_only_and_no_host_crate_sees_a_guest() {
        check(
            vec![
                member("plugins-sdk/rust", json!("guest"), &[]),
                member("runtime/data", json!(0), &[]),
                member("connectors/source-file", json!("guest"), &[("rust", "normal"), ("data", "normal")]),
                member("runtime/cli", json!(6), &[("source-file", "normal")]),
                member("tests/bench", json!(7), &[("source-file", "normal")]),
            ],
            &["source-file -> data: a guest", "cli -> source-file: a host crate"],
        );
    }

    #[test]
    fn capabilities_do_not_know_each_other() {
        check(
            vec![
                member("runtime/capability-file", json!(2), &[]),
                member("runtime/capability-sql", json!(3), &[("capability-file", "normal"), ("sqlx", "normal")]),
            ],
            &["capability-sql -> capability-file: capabilities never"],
        );
    }

    #[test]
    fn wasmtime_and_sqlx_stay_where_they_belong() {
        check(
            vec![
                member("runtime/worker", json!(3), &[("wasmtime", "normal"), ("sqlx", "dev")]),
                member("runtime/plugin-host", json!(2), &[("wasmtime", "normal")]),
                member("runtime/capability-http", json!(2), &[("wasmtime", "normal")]),
                member("tests/harness", json!(7), &[("sqlx", "normal")]),
            ],
            &["worker -> wasmtime", "worker -> sqlx"],
        );
    }

    #[test]
    fn a_crate_without_a_layer_is_reported() {
        check(vec![member("runtime/data", Value::Null, &[])], &["data: no layer"]);
    }
}
