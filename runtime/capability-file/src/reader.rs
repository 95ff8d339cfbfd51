//! An open file that is read and followed.

use crate::access::{Access, io_error};
use crate::bindings::sluice::file::files::{Change, FileInfo, LineOptions, Lines, OversizedLine};
use crate::lines::{self, Limits, ReadAt, Unfinished, read_lines};
use arrow_array::{Array, ArrayRef, BinaryArray, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use sluice_capability::CapabilityError;
use sluice_capability::bindings::errors::Error;
use sluice_data::ConnectBatch;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// An open file.
pub struct Reader {
    followed: Followed,
    /// Of the lines read last: what a read takes beyond the lines that are asked for is read again.
    typical_line_bytes: usize,
    unfinished: Option<Unfinished>,
}

/// The file as it is compared with what its path names.
#[derive(Clone)]
struct Followed {
    file: Arc<OwnedFd>,
    path: String,
    access: Arc<Access>,
    /// Where the last call of `read-lines` began to find nothing new: an unfinished last line is no news.
    looked: Option<Looked>,
}

#[derive(Clone, Copy)]
struct Looked {
    position: u64,
    to: u64,
}

/// What `read-lines` found; the host turns the batch into a handle.
pub struct ReadLines {
    pub batch: Option<ConnectBatch>,
    pub lines: Lines,
}

/// Until lines were read.
const TYPICAL_LINE_BYTES: usize = 256;
/// Between two looks at a file of which the kernel tells when it changes: for what the kernel does not see.
const LOOK_WATCHED: Duration = Duration::from_secs(1);
/// Between two looks at a path that names nothing, or at a file that cannot be watched.
const LOOK_UNWATCHED: Duration = Duration::from_millis(100);
/// What one call of `read-bytes` gives at most.
const READ_BYTES_MAX: u32 = 16 << 20;

impl Reader {
    /// # Errors
    /// As [`Access::open`], and when the path names a folder.
    pub async fn open(access: Arc<Access>, path: String) -> Result<Self, Error> {
        let (file, access, path) = blocking(move || {
            let (file, stat) = access.open(&path)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                return Err(io_error("read", Path::new(&path), Errno::ISDIR));
            }
            Ok((file, access, path))
        })
        .await?;
        Ok(Self {
            followed: Followed { file: Arc::new(file), path, access, looked: None },
            typical_line_bytes: TYPICAL_LINE_BYTES,
            unfinished: None,
        })
    }

    /// # Errors
    /// What the system says.
    pub fn info(&self) -> Result<FileInfo, Error> {
        Ok(file_info(&self.followed.path, &self.followed.stat()?))
    }

    /// # Errors
    /// What the system says; rejected for an encoding that is none.
    pub async fn read_lines(&mut self, topic: &str, position: u64, options: LineOptions) -> Result<ReadLines, Error> {
        let as_text = match options.encoding.as_str() {
            "utf8-replace" | "" => true,
            "bytes" => false,
            other => {
                let message = format!("there is no encoding {other:?}: choose utf8-replace or bytes");
                return Err(CapabilityError::fatal("file.encoding", message));
            }
        };
        let lines_max = (options.max_lines as usize).max(1);
        let limits = Limits {
            line_bytes_max: options.max_line_bytes as usize,
            lines_max,
            read_bytes_max: (options.max_bytes as usize)
                .min(lines_max.saturating_mul(self.typical_line_bytes.saturating_mul(9) / 8)),
        };
        let (file, unfinished) = (self.followed.file.clone(), self.unfinished);
        let path = self.followed.path.clone();
        let (mut found, column) = blocking(move || {
            let mut found = read_lines(&Descriptor(&file), position, limits, unfinished)
                .map_err(|error| io_error("read", Path::new(&path), errno_of(&error)))?;
            let column = (found.offsets.len() > 1).then(|| column_of(&mut found, as_text));
            Ok((found, column))
        })
        .await?;
        if let Some((_, values)) = &column {
            self.typical_line_bytes = (found.position - position) as usize / values.len() + 1;
        }
        self.unfinished = found.unfinished;
        self.followed.looked = Some(Looked { position: found.position, to: found.looked_to });
        let oversized = std::mem::take(&mut found.oversized);
        let oversized = oversized
            .into_iter()
            .map(|lines::Oversized { position, size_bytes }| OversizedLine { position, size_bytes });
        let batch = column.map(|(field, values)| ConnectBatch::builder(topic, &field, values).build());
        let batch = batch.transpose().map_err(|error| CapabilityError::fatal("file.batch", error.to_string()))?;
        Ok(ReadLines { batch, lines: Lines { batch: None, position: found.position, oversized: oversized.collect() } })
    }

    /// # Errors
    /// What the system says.
    pub async fn read_bytes(&self, position: u64, max_bytes: u32) -> Result<Vec<u8>, Error> {
        let (file, path) = (self.followed.file.clone(), self.followed.path.clone());
        let wanted = max_bytes.min(READ_BYTES_MAX) as usize;
        blocking(move || {
            let mut bytes = Vec::with_capacity(wanted.min(1 << 20));
            while bytes.len() < wanted {
                let missing = (wanted - bytes.len()).min(1 << 20);
                let at = position + bytes.len() as u64;
                let read = Descriptor(&file).read_at(&mut bytes, missing, at);
                if read.map_err(|error| io_error("read", Path::new(&path), errno_of(&error)))? == 0 {
                    break;
                }
            }
            Ok(bytes)
        })
        .await
    }

    /// # Errors
    /// What the system says; not when the path is gone.
    pub fn change(&self, position: u64) -> Result<Change, Error> {
        self.followed.change(position)
    }

    /// Ends when there is something to read behind `position`, when the path names another file, when looking fails, or after `max_wait`.
    pub fn changed(&self, position: u64, max_wait: Duration) -> impl Future<Output = ()> + Send + use<> {
        let followed = self.followed.clone();
        async move {
            // Out of time is an answer, too.
            let _ = tokio::time::timeout(max_wait, followed.changed(position)).await;
        }
    }
}

impl Followed {
    fn change(&self, position: u64) -> Result<Change, Error> {
        let own = self.stat()?;
        let size = own.st_size as u64;
        if size < position {
            return Ok(Change::Truncated);
        }
        let seen = self.looked.filter(|looked| looked.position == position).map_or(position, |looked| looked.to);
        // Smaller than what was looked at: the unfinished line was cut off or rewritten.
        if size != seen && size > position {
            return Ok(Change::Grown);
        }
        match self.access.open(&self.path) {
            Ok((_, named)) if identity(&named) == identity(&own) => Ok(Change::Unchanged),
            Ok(_) => Ok(Change::Replaced),
            Err(Error::Retriable(details)) if details.code == "io.not-found" => Ok(Change::Gone),
            Err(error) => Err(error),
        }
    }

    async fn changed(&self, position: u64) {
        let watch = self.access.watcher().watch(&self.file);
        loop {
            let told = watch.as_ref().ok().map(|watch| watch.changed.notified());
            tokio::pin!(told);
            // From here on a change is told, so that none falls between the look and the wait.
            if let Some(told) = told.as_mut().as_pin_mut() {
                told.enable();
            }
            let look = match self.change(position) {
                Ok(Change::Unchanged) if watch.is_ok() => LOOK_WATCHED,
                Ok(Change::Unchanged | Change::Gone) => LOOK_UNWATCHED,
                _ => return,
            };
            let told = async {
                match told.as_pin_mut() {
                    Some(told) => told.await,
                    None => std::future::pending().await,
                }
            };
            // Either way: look again.
            let _ = tokio::time::timeout(look, told).await;
        }
    }

    fn stat(&self) -> Result<Stat, Error> {
        rustix::fs::fstat(&*self.file).map_err(|errno| io_error("look at", Path::new(&self.path), errno))
    }
}

/// Runs file work on a thread that may block.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(CapabilityError::fatal("io.error", format!("file work ended: {error}"))))
}

#[must_use]
pub fn file_info(path: &str, stat: &Stat) -> FileInfo {
    FileInfo {
        path: path.to_owned(),
        size_bytes: stat.st_size as u64,
        modified_ms: stat.st_mtime * 1000 + stat.st_mtime_nsec as i64 / 1_000_000,
        identity: identity(stat),
        is_folder: FileType::from_raw_mode(stat.st_mode) == FileType::Directory,
    }
}

fn identity(stat: &Stat) -> String {
    format!("{}:{}", stat.st_dev, stat.st_ino)
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

struct Descriptor<'a>(&'a OwnedFd);

impl ReadAt for Descriptor<'_> {
    fn read_at(&self, buffer: &mut Vec<u8>, wanted: usize, position: u64) -> io::Result<usize> {
        loop {
            buffer.reserve(wanted);
            match rustix::io::pread(self.0, rustix::buffer::spare_capacity(buffer), position) {
                Err(Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }
}

/// The column takes the buffers over. UTF-8 is checked once for the whole; only then does a bad byte cost a copy.
fn column_of(lines: &mut lines::Lines, as_text: bool) -> (Field, ArrayRef) {
    let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::take(&mut lines.offsets)));
    let data = Buffer::from_vec(std::mem::take(&mut lines.data));
    if !as_text {
        let bytes = BinaryArray::new(offsets, data, None);
        return (Field::new("value", DataType::Binary, false), Arc::new(bytes));
    }
    let text = StringArray::try_new(offsets.clone(), data.clone(), None).unwrap_or_else(|_| {
        let lossy = offsets.windows(2).map(|pair| String::from_utf8_lossy(&data[pair[0] as usize..pair[1] as usize]));
        StringArray::from_iter_values(lossy)
    });
    (Field::new("value", DataType::Utf8, false), Arc::new(text))
}
