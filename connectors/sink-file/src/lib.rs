//! FileStreamSink: records as lines of a file. See the README for keys and promises.

use sluice_plugin_sdk::*;

const CLASS: &str = "org.apache.kafka.connect.file.FileStreamSinkConnector";
const FILE: &str = "file";

struct FileStreamSink;

impl Sink for FileStreamSink {
    type Task = FileSinkTask;

    fn definition() -> Definition {
        Definition::sink(CLASS, env!("CARGO_PKG_VERSION"), "Appends records to a file, one line each.")
            .attribute("delivery", "at least once: after a crash the last delivery may stand twice in the file")
            .capability("file")
            .key(
                ConfigKey::string(FILE, "Destination filename. It is made when it is missing.")
                    .high()
                    .grants("file.path"),
            )
    }

    fn validate(config: &Config) -> Vec<Problem> {
        if config.non_empty(FILE).is_none() {
            let message = "file is not set; name a file: standard output cannot be written from a sandboxed connector";
            return vec![Problem::new(FILE, message)];
        }
        Vec::new()
    }

    fn check(config: &Config) -> Vec<Problem> {
        let Some(path) = config.non_empty(FILE) else { return Vec::new() };
        match file::info(path) {
            Ok(Some(info)) if info.is_folder => {
                vec![Problem::new(FILE, format!("{path} is a folder; name a file in it"))]
            }
            Ok(_) => Vec::new(),
            Err(error) => vec![Problem::new(FILE, Error::from(error).message)],
        }
    }

    fn capabilities(_config: &Config) -> Capabilities {
        Capabilities::new().exactly_once(false).with("deterministic", true).with("batch.partial", "immediate")
    }
}

struct FileSinkTask {
    path: String,
}

impl SinkTask for FileSinkTask {
    fn open(config: &Config, _assignment: &[TopicPartition]) -> Result<Self> {
        let path = config
            .non_empty(FILE)
            .ok_or_else(|| Error::fatal("config.missing", "config key \"file\" is missing; name a file"))?;
        // The file is there from the start, and a path that cannot be written fails the task at once, as Kafka's sink does.
        let opened = file::append(path).map_err(Error::from);
        drop(opened.map_err(|error| Error { kind: ErrorKind::Fatal, ..error })?);
        Ok(Self { path: path.to_owned() })
    }

    /// One delivery is one append, synced before it counts as delivered. Other tasks may append to the same file, so what a failed
    /// delivery left there stays.
    fn put(&mut self, _delivery: &Delivery, batches: &[Batch]) -> Result<Vec<RecordFailure>> {
        // Of several schemas each has its batch; the lines keep the order of the records.
        let order = ("order".to_owned(), "row-id".to_owned());
        let options = if batches.len() > 1 { vec![order] } else { Vec::new() };
        let writer = Writer::open("text", &options, file::append(&self.path)?)?;
        for batch in batches {
            writer.write(batch)?;
        }
        Writer::finish(writer)?;
        Ok(Vec::new())
    }
}

export_sink!(FileStreamSink);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_output_is_refused() {
        let config = |file: &str| Config::new([(FILE.to_owned(), file.to_owned())], &FileStreamSink::definition());
        assert_eq!(FileStreamSink::validate(&config(" "))[0].key, FILE);
        assert!(FileStreamSink::validate(&config("test.sink.txt")).is_empty());
    }
}
