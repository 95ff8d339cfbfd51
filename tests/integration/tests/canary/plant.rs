//! Where the secrets go in: the worker's config, its environment and files, and connectors of every kind, most of which fail.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sluice_harness::{Hub, HubOptions, Scratch, Sqlite, binary, free_port, target_folder};

use super::canaries::{plain, secret};

pub const QUEUE: &str = "refused";
/// But for the compiler of the guests: it has seen no config, and would say gigabytes.
pub const EVERYTHING: &str = "trace,cranelift=warn,cranelift_codegen=warn,cranelift_frontend=warn,regalloc2=warn,wasmtime=warn,\
wasmtime_cranelift=warn,wasmtime_environ=warn,wasmtime_internal_cranelift=warn,wasmparser=warn";
const JDBC_SINK: &str = "io.confluent.connect.jdbc.JdbcSinkConnector";
const JDBC_SOURCE: &str = "io.confluent.connect.jdbc.JdbcSourceConnector";
const AVRO: &str = "io.confluent.connect.avro.AvroConverter";
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";

const PROVIDERS: &str = "\
config.providers=env,file,dir
config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider
config.providers.dir.class=org.apache.kafka.common.config.provider.DirectoryConfigProvider
";

/// A reference to each provider's secret.
pub fn references(scratch: &Scratch) -> Vec<(&'static str, String)> {
    vec![
        ("env", "${env:CANARY}".to_owned()),
        ("file", format!("${{file:{}:password}}", scratch.text("secrets.properties"))),
        ("dir", format!("${{dir:{}:password}}", scratch.text("mounted"))),
        ("secrets", "${secrets:canary}".to_owned()),
    ]
}

/// The worker's own passwords, most of them for things that it does not do.
pub fn worker_config() -> String {
    let jaas = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"me\" password=\"{}\";",
        plain("WorkerJaas")
    );
    let mut lines = PROVIDERS.to_owned();
    for (key, value) in [
        ("ssl.keystore.password", plain("Keystore")),
        ("ssl.key.password", plain("Key")),
        ("listeners.https.ssl.truststore.password", plain("Truststore")),
        ("sasl.password", plain("Sasl")),
        ("sasl.jaas.config", jaas),
        ("producer.sasl.password", plain("Producer")),
        ("consumer.sasl.password", plain("Consumer")),
        ("admin.sasl.password", "${env:CANARY}".to_owned()),
        ("key.converter", STRING.to_owned()),
    ] {
        lines += &format!("{key}={value}\n");
    }
    lines
}

/// A hub that logs everything it can, with the secrets around it.
pub async fn hub(scratch: &Scratch) -> Result<HubOptions> {
    fs::write(scratch.path("secrets.properties"), format!("password={}\n", plain("File")))?;
    fs::create_dir(scratch.path("mounted"))?;
    fs::write(scratch.path("mounted/password"), plain("Dir"))?;
    fs::create_dir(scratch.path("plugins"))?;
    fs::copy(target_folder()?.join("components/example-hostile.wasm"), scratch.path("plugins/hostile.wasm"))?;
    let config = scratch.path("worker.properties");
    fs::write(&config, format!("{}plugin.path={}\n", worker_config(), scratch.text("plugins")))?;
    keep_secret(&scratch.path("data"), "canary", &secret("Kept"))?;
    let hub = Hub::at(scratch.path("data")).argument("--config").argument(config.to_string_lossy());
    Ok(hub.environment("CANARY", &secret("Environment")).environment("RUST_LOG", EVERYTHING))
}

fn keep_secret(data: &Path, name: &str, value: &str) -> Result<()> {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut command = Command::new(binary()?);
    command.args(["secret", "set", name, "--data-dir"]).arg(data).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn()?;
    write!(child.stdin.take().expect("it is piped"), "{value}")?;
    ensure!(child.wait()?.success(), "the secret was not kept");
    Ok(())
}

/// Twenty orders, two of which the table refuses.
pub async fn shop(scratch: &Scratch) -> Result<()> {
    let database = Sqlite::open(&scratch.path("shop.db")).await?;
    database.execute("CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY CHECK (id <> 7 AND id <> 13))").await?;
    database.execute("CREATE TABLE prices (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT)").await?;
    let fields = json!([{"field": "id", "type": "int64", "optional": false}]);
    let schema = json!({"type": "struct", "optional": false, "fields": fields});
    let line = |id: i64| json!({"schema": schema, "payload": {"id": id}}).to_string() + "\n";
    fs::write(scratch.path("orders.txt"), (1..=20).map(line).collect::<String>())?;
    // What looks as if a registry had written it.
    fs::write(scratch.path("avro.txt"), b"\0\0\0\0\x01x\n")?;
    Ok(())
}

fn with(mut config: Value, more: Value) -> Value {
    let more = if let Value::Object(more) = more { more } else { serde_json::Map::new() };
    config.as_object_mut().expect("an object").extend(more);
    config
}

/// Connectors by name; some work, some fail at once, some with their first record, some are refused.
pub fn connectors(scratch: &Scratch) -> Result<Vec<(String, Value)>> {
    let shop = format!("jdbc:sqlite:{}", scratch.text("shop.db"));
    let source = |file: &str, topic: &str| {
        json!({
            "connector.class": "FileStreamSource", "file": scratch.text(file), "topic": topic, "value.converter": STRING,
            "producer.override.sasl.password": plain("ProducerOverride"),
        })
    };
    let sink = json!({
        "connector.class": JDBC_SINK, "topics": "orders", "connection.url": shop, "connection.user": "ada",
        "errors.tolerance": "all", "errors.log.enable": "true", "errors.log.include.messages": "true",
        "errors.deadletterqueue.topic.name": QUEUE, "errors.deadletterqueue.context.headers.enable": "true",
        "consumer.override.sasl.jaas.config": format!("x.PlainLoginModule required password=\"{}\";", plain("Override")),
    });
    let mut all = vec![
        ("orders-file".to_owned(), source("orders.txt", "orders")),
        ("avro-file".to_owned(), source("avro.txt", "avro")),
        ("inline".to_owned(), with(sink.clone(), json!({"connection.password": secret("Inline")}))),
    ];
    for (provider, reference) in references(scratch) {
        let table = json!({"table.name.format": format!("of_{provider}"), "auto.create": "true", "connection.password": reference});
        all.push((format!("by-{provider}"), with(sink.clone(), table)));
        let noted = json!({"note": reference, "my.token": reference});
        all.push((format!("noted-{provider}"), with(source("orders.txt", &format!("noted-{provider}")), noted)));
        all.push((format!("number-{provider}"), with(source("orders.txt", "x"), json!({"tasks.max": reference}))));
        all.push((format!("class-{provider}"), json!({"connector.class": reference, "topic": "x"})));
        all.push((format!("missing-file-{provider}"), with(source("x", "x"), json!({"file": format!("/nowhere/{provider}"), "transforms": "a", "transforms.a.type": "Cast$Value", "transforms.a.spec": reference}))));
    }
    all.extend(failing(scratch, &shop, &sink)?);
    Ok(all)
}

fn failing(scratch: &Scratch, shop: &str, sink: &Value) -> Result<Vec<(String, Value)>> {
    let nobody = free_port()?;
    let jdbc =
        |url: String| with(sink.clone(), json!({"connection.url": url, "connection.password": secret("Failing")}));
    let reads_avro = |more: Value| {
        let avro = json!({"connector.class": "FileStreamSink", "file": scratch.text("avro.out"), "topics": "avro", "value.converter": AVRO});
        with(avro, more)
    };
    let hostile = |mode: &str| {
        let url = format!("https://ada:{}@example.org/?password={}", plain("GuestUrl"), plain("GuestQuery"));
        json!({
            "connector.class": "HostileExample", "mode": mode, "secret": secret("Guest"), "url": url, "errors.log.enable": "true",
            "other.password": plain("GuestOther"), "value.converter.basic.auth.user.info": plain("GuestConverter"),
        })
    };
    let lake = json!({
        "connector.class": "io.confluent.connect.s3.S3SinkConnector", "topics": "orders", "s3.bucket.name": "lake",
        "flush.size": "5", "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
        "aws.access.key.id": "ada", "aws.secret.access.key": secret("Lake"),
    });
    let table = |name: &str| json!({"table.name.format": name});
    let connectors = [
        ("another-database", jdbc(format!("jdbc:postgresql://ada:{}@127.0.0.1:{nobody}/shop", plain("PostgresUrl")))),
        ("parameter", jdbc(format!("{shop}?password={}", plain("Parameter")))),
        ("semicolon", jdbc(format!("jdbc:sqlserver://127.0.0.1;user=ada;password={}", plain("Semicolon")))),
        ("no-folder", jdbc(format!("jdbc:sqlite:/nowhere/shop.db?token={}", plain("Token")))),
        ("no-table", with(jdbc(shop.to_owned()), table("nowhere"))),
        ("wrong-mode", with(jdbc(shop.to_owned()), json!({"pk.mode": "wrong", "insert.mode": "wrong"}))),
        (
            "no-column",
            json!({
                "connector.class": JDBC_SOURCE, "connection.url": shop, "connection.password": secret("Source"), "mode": "incrementing",
                "table.whitelist": "prices", "incrementing.column.name": "nowhere", "topic.prefix": "p-",
            }),
        ),
        (
            "registry-user",
            reads_avro(json!({
                "value.converter.schema.registry.url": format!("http://ada:{}@127.0.0.1:{nobody}", plain("RegistryUrl")),
                "value.converter.basic.auth.credentials.source": "URL",
            })),
        ),
        (
            "registry-info",
            reads_avro(json!({
                "value.converter.schema.registry.url": format!("http://127.0.0.1:{nobody}/?token={}", plain("RegistryToken")),
                "value.converter.basic.auth.credentials.source": "USER_INFO",
                "value.converter.basic.auth.user.info": format!("ada:{}", secret("RegistryInfo")),
            })),
        ),
        (
            "registry-bearer",
            reads_avro(json!({
                "value.converter.schema.registry.url": format!("http://127.0.0.1:{nobody}"),
                "value.converter.bearer.auth.credentials.source": "STATIC_TOKEN",
                "value.converter.bearer.auth.token": secret("Bearer"),
            })),
        ),
        ("lake", with(lake.clone(), json!({"store.url": format!("file://{}", scratch.text("lake"))}))),
        (
            "lake-elsewhere",
            with(lake.clone(), json!({"store.url": format!("https://ada:{}@127.0.0.1:{nobody}/", plain("StoreUrl"))})),
        ),
        ("lake-nowhere", with(lake, json!({"store.url": "file:///nowhere", "s3.proxy.password": plain("Proxy")}))),
        ("guest-probing", hostile("secret-probing")),
        ("guest-panic", hostile("trap")),
        ("guest-unknown", hostile(&format!("https://ada:{}@example.org", plain("Mode")))),
        (
            "no-class",
            json!({"connector.class": "com.example.Vault", "vault.password": secret("NoClass"), "vault.url": format!("https://ada:{}@vault", plain("VaultUrl"))}),
        ),
    ];
    Ok(connectors.map(|(name, config)| (name.to_owned(), config)).into())
}
