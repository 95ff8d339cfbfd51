//! A secret never shows: planted in every place that takes one, looked for in everything that the hub says and keeps.

mod canaries;
mod plant;

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use canaries::Seen;
use plant::QUEUE;
use serde_json::{Value, json};
use sluice_harness::{Answer, Hub, Rest, Scratch, binary, free_port, until};

const LIMIT: Duration = Duration::from_secs(60);
/// Connectors whose tasks fail and say why.
const FAILING: [&str; 7] =
    ["no-column", "no-folder", "no-table", "parameter", "registry-bearer", "registry-info", "registry-user"];

#[tokio::test]
async fn a_secret_shows_in_no_answer_log_metric_dead_letter_file_or_guest() -> Result<()> {
    let scratch = Scratch::new()?;
    plant::shop(&scratch).await?;
    let hub = plant::hub(&scratch).await?.start().await?;
    let mut seen = Seen::default();
    let connectors = plant::connectors(&scratch)?;
    let mut made = Vec::new();
    for (name, config) in &connectors {
        let answer = hub.rest().post("/connectors", &json!({"name": name, "config": config})).await?;
        if answer.status == 201 {
            made.push(name.as_str());
        }
        add(&mut seen, format!("POST {name}"), &answer);
        validate(hub.rest(), &mut seen, name, config).await?;
    }
    wrong_requests(hub.rest(), &mut seen).await?;
    settle(&hub, &made).await?;
    for name in &made {
        changes(hub.rest(), &mut seen, name).await?;
    }
    settle(&hub, &made).await?;
    every_get(hub.rest(), &mut seen, &made).await?;
    commands(&hub, &scratch, &mut seen, &made)?;
    check_power(&seen, &made);
    let log = hub.log_text();
    ensure!(log.contains("TRACE") && log.contains("DEBUG"), "the hub does not log everything");
    let status = hub.terminate().await?;
    ensure!(status.success(), "{status}");
    seen.add("the hub's log", std::fs::read(scratch.path("data.log"))?);
    seen.add_files(&scratch.path("data"))?;
    let leaks = seen.leaks();
    assert!(leaks.is_empty(), "{} of {} places show a secret:\n{}", leaks.len(), seen.len(), leaks.join("\n"));
    Ok(())
}

/// What it fails with must have been reached: nothing that was refused for another reason proves anything.
fn check_power(seen: &Seen, made: &[&str]) {
    for name in FAILING {
        assert!(made.contains(&name), "{name}: {}", seen.text(&format!("POST {name}")));
        let status = seen.text(&format!("GET /connectors/{name}/status"));
        assert!(status.contains("trace"), "{name}: {status}");
    }
    let letters = seen.text(&format!("GET /sluice/v1/topics/{QUEUE}/records"));
    assert!(letters.contains("__connect.errors.exception.message"), "{letters}");
    let probed = seen.text("GET /connectors/guest-probing/status");
    assert!(probed.contains("secret-probing") && probed.contains("example.org"), "{probed}");
}

fn add(seen: &mut Seen, place: String, answer: &Answer) {
    seen.add(place, format!("{} {}", answer.status, answer.text));
}

async fn validate(rest: &Rest, seen: &mut Seen, name: &str, config: &Value) -> Result<()> {
    let mut config = config.clone();
    config["name"] = name.into();
    for class in ["FileStreamSource", config["connector.class"].clone().as_str().unwrap_or_default()] {
        let class = class.replace('$', "%24").replace('{', "%7B").replace('}', "%7D").replace('/', "%2F");
        let answer = rest.put(&format!("/connector-plugins/{class}/config/validate"), &config).await?;
        add(seen, format!("PUT validate {name} as {class}"), &answer);
    }
    Ok(())
}

/// Requests that cannot be understood, with a secret in them.
async fn wrong_requests(rest: &Rest, seen: &mut Seen) -> Result<()> {
    let secret = canaries::secret("Wrong");
    for (path, body) in [
        ("/connectors", json!({"name": "x", "config": {"my.password": {"inner": secret}}})),
        ("/connectors", json!({"name": "x", "config": {"my.password": [secret]}})),
        ("/connectors", json!({"name": "x", "config": {"connection.password": secret}})),
        ("/connectors", json!({"name": "x", "password": secret, "config": {}})),
        ("/connectors", json!([secret])),
        ("/connectors", json!(secret)),
        ("/connectors", json!({"name": "x", "config": secret})),
    ] {
        add(seen, format!("POST {body}").replace(&secret[..10], ""), &rest.post(path, &body).await?);
    }
    let config = json!({"connector.class": "FileStreamSource", "password": [secret]});
    add(seen, "PUT a list".to_owned(), &rest.put("/connectors/inline/config", &config).await?);
    Ok(())
}

/// Shown configs sent back, restarts, and a change that fails.
async fn changes(rest: &Rest, seen: &mut Seen, name: &str) -> Result<()> {
    let shown = rest.get(&format!("/connectors/{name}/config")).await?;
    add(seen, format!("GET config of {name}"), &shown);
    let path = format!("/connectors/{name}/config");
    add(seen, format!("PUT config of {name}"), &rest.put(&path, &shown.ok()?).await?);
    let patch = json!({"new.password": canaries::secret("Patched"), "tasks.max": "1"});
    let answer = rest.request("PATCH".parse()?, &path, Some(&patch)).await?;
    add(seen, format!("PATCH config of {name}"), &answer);
    let path = format!("/connectors/{name}/restart?includeTasks=true");
    add(seen, format!("POST restart of {name}"), &rest.post(&path, &Value::Null).await?);
    Ok(())
}

/// Until the letters are there, and every task either runs or has said why not.
async fn settle(hub: &Hub, made: &[&str]) -> Result<()> {
    until("two dead letters", LIMIT, || async {
        let answer = hub.rest().get("/sluice/v1/connectors/inline/errors").await?.ok()?;
        let letters = answer["errors"].as_array().map_or(0, Vec::len);
        if letters >= 2 { Ok(()) } else { bail!("{answer}") }
    })
    .await?;
    for name in made.iter().filter(|name| FAILING.contains(name) || name.starts_with("guest-")) {
        until(&format!("{name} says why it fails"), LIMIT, || async {
            let status = hub.rest().status(name).await?;
            if status.to_string().contains("trace") { Ok(()) } else { bail!("{status}") }
        })
        .await?;
    }
    Ok(())
}

/// Every GET that the API describes, of every connector, topic and plugin.
async fn every_get(rest: &Rest, seen: &mut Seen, made: &[&str]) -> Result<()> {
    let api = rest.get("/openapi.json").await?.ok()?;
    let texts = |list: &Value, member: &str| -> Vec<String> {
        let rows = list.as_array().map(Vec::as_slice).unwrap_or_default();
        rows.iter().filter_map(|row| row[member].as_str().map(str::to_owned)).collect()
    };
    let topics = texts(&rest.get("/sluice/v1/topics?internal=true").await?.ok()?, "name");
    let plugins = texts(&rest.get("/connector-plugins?connectorsOnly=false").await?.ok()?, "class");
    ensure!(topics.iter().any(|topic| topic == "_sluice_configs"), "{topics:?}");
    let made: Vec<String> = made.iter().map(|name| (*name).to_owned()).collect();
    let (tasks, loggers) = (vec!["0".to_owned()], vec!["root".to_owned()]);
    let mut paths = vec!["/connectors?expand=status&expand=info".to_owned(), "/metrics".to_owned()];
    for (path, _) in api["paths"].as_object().into_iter().flatten().filter(|(_, methods)| methods.get("get").is_some())
    {
        let mut filled = vec![path.clone()];
        for (name, values) in [
            ("{connector}", &made),
            ("{task}", &tasks),
            ("{topic}", &topics),
            ("{plugin}", &plugins),
            ("{logger}", &loggers),
        ] {
            let fill = |path: &String| -> Vec<String> {
                if !path.contains(name) {
                    return vec![path.clone()];
                }
                values.iter().map(|value| path.replace(name, &value.replace('$', "%24"))).collect()
            };
            filled = filled.iter().flat_map(fill).collect();
        }
        paths.extend(filled);
    }
    ensure!(paths.len() > 200 && !paths.iter().any(|path| path.contains('{')), "{paths:?}");
    for path in paths {
        let answer = rest.get(&path).await?;
        add(seen, format!("GET {path}"), &answer);
    }
    Ok(())
}

/// What the command line shows, in both forms.
fn commands(hub: &Hub, scratch: &Scratch, seen: &mut Seen, made: &[&str]) -> Result<()> {
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut say = |words: &[&str]| all.push(words.iter().map(|word| (*word).to_owned()).collect());
    let (data, worker) = (scratch.text("data"), scratch.text("worker.properties"));
    say(&["connector", "list"]);
    say(&["plugin", "list", "--all"]);
    say(&["plugin", "inspect", "JdbcSinkConnector"]);
    say(&["topic", "list"]);
    say(&["topic", "read", "_sluice_configs"]);
    say(&["topic", "read", QUEUE]);
    say(&["secret", "list", "--data-dir", &data]);
    say(&["doctor", "--config", &worker]);
    say(&["connector", "errors", "inline"]);
    say(&["connector", "redrive", "inline", "--dry-run"]);
    for name in made {
        say(&["connector", "get", name]);
        say(&["connector", "status", name]);
        say(&["connector", "offsets", name]);
    }
    for (name, config) in plant::connectors(scratch)?.iter().filter(|(name, _)| !name.starts_with("noted")) {
        let file = scratch.text(&format!("{name}.json"));
        std::fs::write(&file, json!({"name": name, "config": config}).to_string())?;
        say(&["connector", "validate", &file]);
        say(&["connector", "create", &file]);
    }
    for words in all {
        for output in ["table", "json"] {
            let mut command = Command::new(binary()?);
            command.args(["--output", output, "--url", &hub.rest().url("")]).args(&words).env("CANARY", "");
            let said = command.output()?;
            seen.add(format!("sluice {} as {output}", words.join(" ")), [said.stdout, said.stderr].concat());
        }
    }
    Ok(())
}

/// The hub ends, because its Kafka does not answer, or because of its config; everything that it says about that is looked at.
#[tokio::test]
async fn a_secret_shows_in_nothing_that_a_hub_says_which_does_not_start() -> Result<()> {
    let scratch = Scratch::new()?;
    let servers = format!("bootstrap.servers=127.0.0.1:{}\nrequest.timeout.ms=1500\n", free_port()?);
    let password = canaries::plain("Cluster");
    let login =
        format!("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=me\nsasl.password={password}\n");
    let wrong = [
        format!("{servers}{login}"),
        format!("{servers}{}security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n", plant::worker_config()),
        format!("{servers}{login}ssl.truststore.password={password}\n"),
        format!("{servers}{login}producer.acks=0\nproducer.sasl.password={password}\n"),
        format!("{servers}sasl.jaas.config=com.sun.Krb5LoginModule required password=\"{password}\";\n"),
        format!("listeners=http://me:{password}@127.0.0.1:1\n"),
        format!("my.unknown.password={password}\nlog.durability=wrong\n"),
        format!("# toml\n[sasl]\npassword = \"{password}\n"),
        format!("# toml\nsasl.password = {password}\n"),
    ];
    let mut seen = Seen::default();
    for (number, text) in wrong.iter().enumerate() {
        let extension = if text.starts_with("# toml") { "toml" } else { "properties" };
        let config = scratch.path(&format!("worker-{number}.{extension}"));
        std::fs::write(&config, text)?;
        let hub =
            Hub::at(scratch.path(&format!("hub-{number}"))).argument("--config").argument(config.to_string_lossy());
        let hub =
            hub.environment("RUST_LOG", plant::EVERYTHING).environment("CANARY", &canaries::secret("Environment"));
        let status = hub.start_without_waiting()?.exit(LIMIT).await?;
        let said = std::fs::read(scratch.path(&format!("hub-{number}.log")))?;
        ensure!(!status.success() && !said.is_empty(), "{text}: {status}");
        seen.add(format!("hub {number}"), said);
        let doctor = Command::new(binary()?).args(["doctor", "--config"]).arg(&config).output()?;
        seen.add(format!("doctor {number}"), [doctor.stdout, doctor.stderr].concat());
    }
    let leaks = seen.leaks();
    assert!(leaks.is_empty(), "{} places show a secret:\n{}", leaks.len(), leaks.join("\n"));
    Ok(())
}
