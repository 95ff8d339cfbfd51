//! What is refused when it is loaded, what the cache does, and how a plugin folder is followed.

mod support;

use sluice_connect_api::PluginRegistry;
use sluice_plugin_host::{LoadError, PluginFolder};
use std::fs;
use std::sync::Arc;
use support::{Offsets, TestHost, component, component_path, config, new_host, open_source, short_limits};

async fn refusal(name: &str, bytes: Vec<u8>) -> String {
    match TestHost::new().host.load_bytes(name, bytes).await {
        Ok(plugin) => panic!("{name} was accepted as {}", plugin.definition().class),
        Err(error) => error.to_string(),
    }
}

/// The component with every occurrence of one text replaced by another of the same length.
fn patched(name: &str, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = component(name);
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty(), "{from} stands in the component");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[tokio::test]
async fn what_is_no_component_is_refused_with_the_remedy() {
    assert!(refusal("notes.wasm", b"just text".to_vec()).await.contains("is not a WebAssembly component"));
    assert!(refusal("core.wasm", b"\0asm\x01\0\0\0".to_vec()).await.contains("core WebAssembly module"));
    let mut torn = component("example-hostile");
    torn.truncate(torn.len() / 2);
    assert!(refusal("torn.wasm", torn).await.contains("no valid WebAssembly component"));
}

#[tokio::test]
async fn another_abi_version_is_refused_and_named() {
    let mut bytes = component("example-hostile");
    let at = find(&bytes, b"sluice:connector/").collect::<Vec<_>>();
    for start in at {
        let version = find(&bytes[start..start + 60], b"@0.1.0").next();
        if let Some(version) = version {
            bytes[start + version..start + version + 6].copy_from_slice(b"@0.2.0");
        }
    }
    let error = refusal("newer.wasm", bytes).await;
    assert!(error.contains("sluice:connector@0.2.0") && error.contains("rebuild"), "{error}");
}

fn find<'a>(bytes: &'a [u8], text: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    (0..bytes.len().saturating_sub(text.len())).filter(move |at| bytes[*at..].starts_with(text))
}

#[tokio::test]
async fn a_capability_that_is_not_declared_is_refused() {
    let error = refusal("undeclared.wasm", component("example-undeclared")).await;
    assert!(error.contains(r#"imports the capability "file" without declaring it"#), "{error}");
}

#[tokio::test]
async fn a_capability_that_the_hub_does_not_have_is_refused() {
    let error = refusal("other.wasm", patched("example-hostile", "sluice:file/files", "sluice:lift/files")).await;
    assert!(error.contains("sluice:lift/files"), "{error}");
}

#[tokio::test]
async fn a_warm_cache_neither_compiles_nor_runs_a_guest() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = component("example-hostile");
    let cold = new_host(folder.path(), short_limits()).load_bytes("hostile", bytes.clone()).await.unwrap();
    let code = cached(folder.path(), "cwasm");
    fs::remove_file(&code).unwrap();

    let host = new_host(folder.path(), short_limits());
    let warm = host.load_bytes("hostile", bytes).await.unwrap();
    assert_eq!(format!("{:?}", warm.definition()), format!("{:?}", cold.definition()));
    assert!(!code.exists(), "nothing was compiled");
    // Its code is made when it is needed.
    let mut task = open_source(&warm, config(&[("mode", "good")]), Offsets::default()).await;
    assert_eq!(task.poll().await.unwrap().batches.len(), 1);
    assert!(code.exists());
}

fn cached(folder: &std::path::Path, extension: &str) -> std::path::PathBuf {
    let entries = fs::read_dir(folder.join("cache")).unwrap().map(|entry| entry.unwrap().path());
    let mut found = entries.filter(|path| path.extension().is_some_and(|found| found == extension));
    found.next().unwrap_or_else(|| panic!("a .{extension} stands in the cache"))
}

#[tokio::test]
async fn damaged_code_in_the_cache_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = component("example-hostile");
    new_host(folder.path(), short_limits()).load_bytes("hostile", bytes.clone()).await.unwrap();
    let code = cached(folder.path(), "cwasm");
    let mut damaged = fs::read(&code).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&code, &damaged).unwrap();

    let plugin = new_host(folder.path(), short_limits()).load_bytes("hostile", bytes).await.unwrap();
    let mut task = open_source(&plugin, config(&[("mode", "good")]), Offsets::default()).await;
    assert_eq!(task.poll().await.unwrap().batches.len(), 1);
    assert_ne!(fs::read(&code).unwrap(), damaged, "it was replaced");
}

#[tokio::test]
async fn the_cache_folder_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let host = TestHost::new();
    let mode = fs::metadata(host.folder.path().join("cache")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn plugins_come_and_go_with_their_files_while_tasks_run_on() {
    let host = TestHost::new();
    let plugins = host.folder.path().join("plugins");
    fs::create_dir(&plugins).unwrap();
    let registry = Arc::new(PluginRegistry::default());
    let mut folder = PluginFolder::new(host.host.clone(), registry.clone(), plugins.clone());

    fs::copy(component_path("example-hostile"), plugins.join("hostile.wasm")).unwrap();
    fs::write(plugins.join("broken.wasm"), "no component").unwrap();
    fs::write(plugins.join("evil.cwasm"), "machine code").unwrap();
    let refused = folder.refresh().await.unwrap();
    assert_eq!(refused.len(), 1, "the .cwasm is not even looked at");
    assert!(matches!(refused[0].1, LoadError::NotWasm { .. }));
    assert!(folder.refresh().await.unwrap().is_empty(), "a refused file is reported once");
    let plugin = registry.connector("HostileExample").unwrap();
    let mut task =
        plugin.source_task(support::task_context(config(&[("mode", "good")]), Offsets::default())).await.unwrap();
    task.open().await.unwrap();

    fs::remove_file(plugins.join("hostile.wasm")).unwrap();
    folder.refresh().await.unwrap();
    assert!(registry.connector("HostileExample").is_err());
    assert_eq!(task.poll().await.unwrap().batches.len(), 1, "the running task keeps its plugin");
}

#[tokio::test]
async fn a_built_in_connector_comes_back_when_the_file_that_covered_it_goes() {
    let host = TestHost::new();
    let plugins = host.folder.path().join("plugins");
    fs::create_dir(&plugins).unwrap();
    let registry = Arc::new(PluginRegistry::default());
    host.plugin("example-hostile").await.register(&registry);
    let newer = patched("example-hostile", "Misbehaves as its mode says.", "Misbehaves as its file says.");
    fs::write(plugins.join("hostile.wasm"), newer).unwrap();
    let documentation = || registry.connector("HostileExample").unwrap().definition().documentation.clone();

    let mut folder = PluginFolder::new(host.host.clone(), registry.clone(), plugins.clone());
    assert!(folder.refresh().await.unwrap().is_empty());
    assert_eq!(documentation(), "Misbehaves as its file says.");
    folder.refresh().await.unwrap();
    fs::remove_file(plugins.join("hostile.wasm")).unwrap();
    folder.refresh().await.unwrap();
    assert_eq!(documentation(), "Misbehaves as its mode says.");
}
