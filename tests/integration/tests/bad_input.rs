//! What goes wrong at a hub's door: each ends with an exit code, a line that says what to do, and nothing harmed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;
use sluice_harness::{Hub, HubOptions, Scratch, binary, target_folder, until};

const LIMIT: Duration = Duration::from_secs(60);
/// Exit codes of `runtime/cli/src/exit.rs`.
const PORT_IN_USE: i32 = 10;
const DATA_DIR: i32 = 11;
const INVALID: i32 = 6;

/// The exit code of a hub that cannot start, and what it said.
async fn refused(options: HubOptions, log: &Path) -> Result<(i32, String)> {
    let status = options.start_without_waiting()?.exit(LIMIT).await?;
    let Some(code) = status.code() else { bail!("it was killed: {status}") };
    Ok((code, fs::read_to_string(log)?))
}

/// `sluice ARGUMENTS`: its exit code, and everything it printed.
fn sluice(arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let cache = target_folder()?.join("hub-cache");
    let output = Command::new(binary()?).args(arguments).env("XDG_CACHE_HOME", cache).output()?;
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok((output.status.code(), text))
}

#[tokio::test]
async fn a_second_hub_on_the_same_data_is_refused_and_the_first_goes_on() -> Result<()> {
    let scratch = Scratch::new()?;
    let first = Hub::at(scratch.path("data")).start().await?;
    let log = scratch.path("data.log");
    let before = fs::read_to_string(&log)?.len();
    let (code, said) = refused(Hub::at(scratch.path("data")), &log).await?;
    assert_eq!(code, DATA_DIR);
    assert!(said[before..].contains(&first.pid().to_string()), "{said}");
    assert_eq!(first.rest().get("/").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_before_the_data_is_touched() -> Result<()> {
    let scratch = Scratch::new()?;
    let first = Hub::at(scratch.path("first")).start().await?;
    let second = Hub::at(scratch.path("second")).port(first.rest().port());
    let (code, said) = refused(second, &scratch.path("second.log")).await?;
    assert_eq!(code, PORT_IN_USE);
    assert!(said.contains(&first.rest().port().to_string()) && said.contains("--rest-listen"), "{said}");
    assert!(!scratch.path("second").exists());
    Ok(())
}

#[tokio::test]
async fn data_of_a_newer_version_is_refused_untouched() -> Result<()> {
    let scratch = Scratch::new()?;
    Hub::at(scratch.path("data")).start().await?.terminate().await?;
    let meta = scratch.path("data").join("meta.properties");
    let newer = fs::read_to_string(&meta)?.replace("version=1", "version=99");
    fs::write(&meta, &newer)?;
    let (code, said) = refused(Hub::at(scratch.path("data")), &scratch.path("data.log")).await?;
    assert_eq!(code, DATA_DIR);
    assert!(said.contains("99"), "{said}");
    assert_eq!(fs::read_to_string(&meta)?, newer);
    Ok(())
}

#[tokio::test]
async fn an_unknown_class_is_answered_with_the_nearest_name() -> Result<()> {
    let scratch = Scratch::new()?;
    let hub = Hub::at(scratch.path("data")).start().await?;
    let config = json!({"connector.class": "FileStreamSuorce", "file": "a", "topic": "t"});
    let answer = hub.rest().post("/connectors", &json!({"name": "typo", "config": config})).await?;
    assert!((400..600).contains(&answer.status) && answer.text.contains("FileStreamSource"), "{answer:?}");
    assert!(hub.rest().connectors().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_folder_in_the_place_of_a_file_fails_its_task_and_no_other() -> Result<()> {
    let scratch = Scratch::new()?;
    fs::create_dir_all(scratch.path("folder"))?;
    fs::write(scratch.path("lines.txt"), "one\n")?;
    let hub = Hub::at(scratch.path("data")).start().await?;
    let source = |file: &str| json!({"connector.class": "FileStreamSource", "file": scratch.text(file), "topic": file});
    hub.rest().create("bad", &source("folder")).await?;
    hub.rest().create("good", &source("lines.txt")).await?;
    hub.rest().until_running("good", 1).await?;
    until("a reason that names the folder", LIMIT, || async {
        let status = hub.rest().status("bad").await?;
        let trace = status["tasks"][0]["trace"].as_str().unwrap_or_default().to_owned();
        if trace.contains("folder") { Ok(()) } else { bail!("{status}") }
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_plugin_comes_and_goes_while_the_hub_runs() -> Result<()> {
    let scratch = Scratch::new()?;
    let (plugins, worker) = (scratch.text("plugins"), scratch.text("worker.toml"));
    fs::create_dir_all(&plugins)?;
    fs::write(&worker, format!("plugin.path = {plugins:?}\n"))?;
    let hub = Hub::at(scratch.path("data")).argument("--config").argument(&worker).start().await?;
    let component = target_folder()?.join("components").join("example-hostile.wasm");
    let component = component.display().to_string();
    let is_listed = || async {
        Ok::<_, anyhow::Error>(hub.rest().get("/connector-plugins").await?.text.contains("HostileExample"))
    };
    assert!(!is_listed().await?);

    let (code, said) = sluice(&["plugin", "install", &component, "--plugin-dir", &plugins])?;
    assert_eq!(code, Some(0), "{said}");
    until("the plugin in the list", LIMIT, || async { if is_listed().await? { Ok(()) } else { bail!("not yet") } })
        .await?;
    hub.rest().create("good", &json!({"connector.class": "HostileExample", "mode": "good"})).await?;
    hub.rest().until_running("good", 1).await?;

    let (code, said) = sluice(&["plugin", "remove", "example-hostile", "--plugin-dir", &plugins])?;
    assert_eq!(code, Some(0), "{said}");
    until("the plugin gone", LIMIT, || async { if is_listed().await? { bail!("still there") } else { Ok(()) } })
        .await?;
    hub.rest().until_running("good", 1).await
}

#[test]
fn what_is_no_component_is_refused_with_what_it_is() -> Result<()> {
    let scratch = Scratch::new()?;
    let cases =
        [("text.wasm", &b"no component"[..], "not a WebAssembly component"), ("core.wasm", b"\0asm\x01\0\0\0", "core")];
    for (name, bytes, reason) in cases {
        fs::write(scratch.path(name), bytes)?;
        let (code, said) = sluice(&["plugin", "validate", &scratch.text(name)])?;
        assert_eq!(code, Some(INVALID), "{said}");
        assert!(said.contains(reason), "{said}");
    }
    Ok(())
}
