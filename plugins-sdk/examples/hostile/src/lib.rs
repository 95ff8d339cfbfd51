//! One guest, many ways to misbehave: `mode` says which. The tests of the plugin host show that each of them fails this task
//! with a reason and touches nothing else. Mode `good` is the neighbour that must not notice.

use sluice_plugin_sdk::*;
use std::hint::black_box;

/// Where the misbehaviour happens, in the order in which a host calls.
struct Hostile;

impl Source for Hostile {
    type Task = HostileTask;

    fn definition() -> Definition {
        Definition::source("HostileExample", env!("CARGO_PKG_VERSION"), "Misbehaves as its mode says.")
            .capability("file")
            .capability("http")
            .key(ConfigKey::string("mode", "What to do.").required())
            .key(ConfigKey::string("path", "A file that it may read.").grants("file.path"))
            .key(ConfigKey::string("other", "A file that it tries to read.").default("/etc/passwd"))
            .key(ConfigKey::string("endpoint", "An HTTP endpoint that it may reach.").grants("http.url"))
            .key(
                ConfigKey::string("other.endpoint", "An address that it tries to reach.")
                    .default("http://169.254.169.254/latest/meta-data/"),
            )
            .key(ConfigKey::string("url", "An address, perhaps with credentials."))
            .key(ConfigKey::password("secret", "What it must not see."))
    }

    fn validate(config: &Config) -> Vec<Problem> {
        if config.get("mode") == Some("loop-in-validate") {
            spin(0);
        }
        Vec::new()
    }

    fn task_configs(config: &Config, _max_tasks: u32) -> Result<TaskConfigs> {
        let mut task = config.given().clone();
        if config.get("mode") == Some("widen-grants") {
            task.insert("path".to_owned(), config.string("other")?.to_owned());
        }
        Ok(TaskConfigs::new(vec![task]))
    }
}

struct HostileTask {
    mode: String,
    config: Config,
    rows: i64,
}

impl SourceTask for HostileTask {
    fn open(config: &Config) -> Result<Self> {
        Ok(Self { mode: config.string("mode")?.to_owned(), config: config.clone(), rows: 0 })
    }

    fn poll(&mut self) -> Result<Poll> {
        match self.mode.as_str() {
            "good" => return self.rows(1_000),
            "loop" => spin(0),
            "loop-in-calls" => loop {
                black_box(clock::now_ms());
            },
            "trap" => panic!("the guest gave up: {}", "index 7 of 3"),
            "stack" => {
                black_box(recurse(black_box(1)));
            }
            "memory" => exhaust_memory(),
            "output" => {
                let much = "x".repeat(6 << 20);
                loop {
                    log::write(log::Level::Info, &much);
                }
            }
            "log-flood" => loop {
                info!("flood");
            },
            "long-log-line" => info!("{}", "é".repeat(1 << 20)),
            "metric-flood" => (0..100_000).for_each(|index| metrics::add(&format!("m{index}"), 1)),
            "handles" => return Err(hoard_handles()),
            "random" => {
                black_box(random::bytes(u32::MAX));
            }
            "ungranted-file" => {
                file::open_read(self.config.string("other")?)?;
            }
            "escape" => {
                file::open_read(&format!("{}/../../../../etc/passwd", self.config.string("path")?))?;
            }
            "ungranted-host" => {
                http::send(&get(self.config.string("other.endpoint")?), None)?;
            }
            "secret-probing" => return self.everything_it_sees(),
            "wrong-schema" => return self.wrong_schema(),
            "lengths-differ" => return lengths_differ(),
            "garbage-ipc" => {
                Batch::from_ipc("t", &[0xff; 64])?;
            }
            "bad-offset" => {
                let offset = SourceOffset { partition: "no json".to_owned(), offset: None };
                return Ok(Poll { offsets: vec![offset], ..Poll::default() });
            }
            other => return Err(Error::fatal("config.malformed", format!("mode {other:?} is unknown"))),
        }
        Ok(Poll::default())
    }
}

impl HostileTask {
    fn rows(&mut self, count: i64) -> Result<Poll> {
        let numbers = (self.rows..self.rows + count).collect();
        self.rows += count;
        let batch = BatchBuilder::new("good").column("number", Column::int64(numbers)).build()?;
        Ok(Poll::batch(batch, SourceOffset::new(&json!({"rows": "all"}), &json!({"next": self.rows}))))
    }

    /// As one rejected record, so that a test can look for secrets in it.
    fn everything_it_sees(&self) -> Result<Poll> {
        let config = format!("{:?} {:?}", context::config(), self.config.given());
        Ok(Poll { rejected: vec![Error::rejected("seen", config)], ..Poll::default() })
    }

    fn wrong_schema(&self) -> Result<Poll> {
        let schema = json!({"type": "struct", "fields": [{"field": "number", "type": "int64", "optional": false}]});
        let texts = Column::utf8(["no", "numbers"]);
        let batch = BatchBuilder::new("t").column("number", texts).schema(&schema.to_string()).build()?;
        Ok(Poll { batches: vec![batch], ..Poll::default() })
    }
}

fn get(url: &str) -> http::Request {
    let (method, url) = ("GET".to_owned(), url.to_owned());
    http::Request { method, url, headers: Vec::new(), timeout_ms: 1_000, credential: None }
}

fn lengths_differ() -> Result<Poll> {
    let two = Column::int64(vec![1, 2]);
    let three = Column::int64(vec![1, 2, 3]);
    let batch = BatchBuilder::new("t").column("two", two).column("three", three).build()?;
    Ok(Poll { batches: vec![batch], ..Poll::default() })
}

fn spin(mut count: u64) {
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1))) + 1
}

fn exhaust_memory() {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn hoard_handles() -> Error {
    let mut hoard = Vec::new();
    loop {
        match Batch::from_columns("t", &[NamedColumn { name: "n".to_owned(), column: Column::int64(vec![1]) }], None) {
            Ok(batch) => hoard.push(batch),
            Err(error) => return error.into(),
        }
    }
}

export_source!(Hostile);
