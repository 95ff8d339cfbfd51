//! The task: reads whole lines, and when there are none looks at what became of the file.

use crate::config::FileConfig;
use crate::position::{Position, Start, start};
use crate::{partition, stored_position};
use sluice_plugin_sdk::file::{Change, Reader};
use sluice_plugin_sdk::*;

/// A file that does not change is looked at so rarely.
const WAIT_MS: u32 = 30_000;

pub struct FileTask {
    config: FileConfig,
    options: file::LineOptions,
    partition: Value,
    stored: Option<Position>,
    open: Option<OpenFile>,
    said_missing: bool,
}

/// The file that is being read, also after it was renamed.
struct OpenFile {
    reader: Reader,
    position: u64,
    identity: String,
    /// Size when there was last no whole line to read: what lies beyond `position` is a line that is still being written.
    size_seen: u64,
}

impl SourceTask for FileTask {
    fn open(config: &Config) -> Result<Self> {
        let config = FileConfig::parse(config)?;
        let stored = stored_position(&config.file);
        let (options, partition) = (config.line_options(), partition(&config.file));
        Ok(Self { config, options, partition, stored, open: None, said_missing: false })
    }

    fn poll(&mut self) -> Result<Poll> {
        if self.open.is_none() && !self.open_file()? {
            return Ok(Poll::default());
        }
        let poll = self.read()?;
        if !poll.offsets.is_empty() || !self.has_news()? {
            return Ok(poll);
        }
        self.read()
    }
}

impl FileTask {
    /// Opens what the path names, at the stored position; false: nothing is there yet.
    fn open_file(&mut self) -> Result<bool> {
        let path = &self.config.file;
        if file::info(path)?.is_none() {
            if !self.said_missing {
                warn!("{path} does not exist; waiting for it");
                self.said_missing = true;
            }
            return Ok(false);
        }
        let reader = file::open_read(path)?;
        let info = reader.info()?;
        let (reader, identity, position) = match start(self.stored.as_ref(), &info.identity, info.size_bytes) {
            Start::At(position) => (reader, info.identity, position),
            Start::Truncated => {
                warn!("{path} is shorter than what was read of it: it was truncated; reading it from its start");
                (reader, info.identity, 0)
            }
            Start::Replaced { old_position, old_identity } => match self.renamed(&old_identity) {
                Some(old) => (old, old_identity, old_position),
                None => {
                    warn!(
                        "{path} is another file than before; what the old one had behind byte {old_position} was not found"
                    );
                    (reader, info.identity, 0)
                }
            },
        };
        self.open = Some(OpenFile { reader, position, identity, size_seen: position });
        self.said_missing = false;
        Ok(true)
    }

    /// The old file under its new name, when it still stands beside the path and may be read.
    fn renamed(&self, identity: &str) -> Option<Reader> {
        let (folder, name) = self.config.file.rsplit_once('/').unwrap_or((".", &self.config.file));
        let beside = file::list_folder(folder, &format!("{name}*")).ok()?;
        let old = beside.into_iter().find(|info| info.identity == identity)?;
        info!("{} was renamed to {}; reading its rest first", self.config.file, old.path);
        file::open_read(&old.path).ok()
    }

    /// The next whole lines, and where the file stands behind them.
    fn read(&mut self) -> Result<Poll> {
        let Some(open) = &mut self.open else { return Ok(Poll::default()) };
        let lines = open.reader.read_lines(&self.config.topic, open.position, &self.options)?;
        if lines.position == open.position {
            return Ok(Poll::default());
        }
        open.position = lines.position;
        open.size_seen = lines.position;
        let stored = Position { position: open.position, identity: Some(open.identity.clone()) };
        let offset = SourceOffset::new(&self.partition, &stored.to_json());
        self.stored = Some(stored);
        let rejected = lines.oversized.iter().map(|line| self.too_long(line)).collect();
        Ok(Poll { batches: lines.batch.into_iter().collect(), offsets: vec![offset], rejected })
    }

    fn too_long(&self, line: &file::OversizedLine) -> Error {
        let (file, max) = (&self.config.file, self.config.line_bytes_max);
        let (size, position) = (line.size_bytes, line.position);
        Error::rejected(
            "line.too-long",
            format!("line at byte {position} of {file} has {size} bytes; raise max.line.bytes ({max})"),
        )
    }

    /// There was no whole line: says whether reading again may give one, and else when to look again.
    fn has_news(&mut self) -> Result<bool> {
        let Some(open) = &mut self.open else { return Ok(false) };
        // Only what was written behind an unfinished line is news.
        open.size_seen = open.size_seen.max(open.reader.info()?.size_bytes);
        match open.reader.change(open.size_seen)? {
            // An old file that was renamed stays the one that is followed until the path names a new one.
            Change::Unchanged | Change::Gone => {
                open.reader.poll_on_change(open.size_seen, WAIT_MS);
                Ok(false)
            }
            Change::Grown => Ok(true),
            Change::Truncated => {
                if open.reader.info()?.size_bytes < open.position {
                    warn!("{} was truncated; reading it from its start", self.config.file);
                    open.position = 0;
                }
                open.size_seen = open.position;
                Ok(true)
            }
            // Everything was read: the old file's last whole line is delivered, the path's new file comes next.
            Change::Replaced => {
                self.leave_old_file();
                self.open_file()
            }
        }
    }

    fn leave_old_file(&mut self) {
        if let Some(open) = self.open.take() {
            let unread = open.size_seen.saturating_sub(open.position);
            if unread > 0 {
                warn!("{} was replaced; {unread} bytes without a line end are left in the old file", self.config.file);
            }
        }
        self.stored = None;
    }
}
