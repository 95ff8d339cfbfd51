//! The file that is being written: begun, rolled, marked and closed.

use super::{Tail, Writer};
use crate::block::{Block, HEADER_BYTES, Kind};
use crate::error::LogAppendError;
use crate::fail::FailPoints;
use crate::sidecar;
use crate::topics::METADATA_TOPIC;
use crate::wal::{FileHeader, FileKind, Unsynced, file_name};
use std::io;

impl Writer {
    /// A file is there for the next append, which is acknowledged without a sync if it `may_wait` for one: then the file
    /// has to say so.
    pub(super) fn roll_if_due(&mut self, may_wait: bool) -> io::Result<()> {
        if may_wait && self.unsynced == Unsynced::Nothing {
            self.unsynced = Unsynced::OsTopics;
        }
        let unsynced = self.unsynced;
        let options = &self.shared.options;
        let due = self.file.as_ref().is_some_and(|tail| {
            tail.unsynced != unsynced
                || tail.position + self.group.size_bytes() as u64 >= options.file_bytes
                || tail.compacted_bytes + self.group.compacted_bytes >= options.compacted_file_bytes
        });
        if due {
            self.commit_group();
            if let Some(tail) = self.file.take() {
                self.finish_file(&tail)?;
            }
        }
        if self.file.is_none() { self.begin_file() } else { Ok(()) }
    }

    /// Everything in a file is durable before the next one exists.
    pub(super) fn finish_file(&mut self, tail: &Tail) -> io::Result<()> {
        if let Err(error) = self.settle().and_then(|()| tail.make_whole()) {
            self.poison(&error);
            return Err(error);
        }
        (self.durable, self.unsynced_bytes, self.mark_due) = (self.sequence, 0, false);
        self.seal(tail, false);
        self.shared.housekeeping.wake();
        Ok(())
    }

    fn seal(&self, tail: &Tail, ends_with_mark: bool) {
        self.shared.files.change(tail.number, |info| {
            info.sealed = true;
            info.size_bytes = tail.position;
            info.sequence = self.sequence;
            info.ends_with_mark = ends_with_mark;
        });
    }

    fn begin_file(&mut self) -> io::Result<()> {
        let shared = self.shared.clone();
        self.remove_unbegun()?;
        let number = shared.files.next_number();
        let header = FileHeader {
            file: number,
            epoch: self.shared.epoch,
            unsynced: self.unsynced,
            created_ms: shared.clock.now_ms(),
            sequence: self.sequence,
        };
        let bytes = header.encode();
        let name = file_name(number, FileKind::Log);
        let file = shared.storage.create(&name)?;
        // Synced before anything follows: a header that cannot be read later is damage then, not what a crash left.
        let begun = file.write_at(&bytes, 0).and_then(|()| file.sync()).and_then(|()| shared.storage.sync_dir());
        if let Err(error) = begun {
            // Without its name on disk nothing may be acknowledged out of it.
            self.unbegun = Some(name);
            let _ = self.remove_unbegun();
            return Err(error);
        }
        shared.fail_points.pass(FailPoints::ROLL_AFTER_CREATE);
        shared.files.begin(header, file.clone(), bytes.len() as u64);
        let (position, unsynced) = (bytes.len() as u64, self.unsynced);
        self.file = Some(Tail { number, file, position, compacted_bytes: 0, ragged: false, dirty: false, unsynced });
        Ok(())
    }

    /// A file that could not be begun goes before the next one exists: behind that it would look like damage.
    fn remove_unbegun(&mut self) -> io::Result<()> {
        let Some(name) = &self.unbegun else { return Ok(()) };
        match self.shared.storage.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => self.unbegun = None,
        }
        Ok(())
    }

    /// Writes that everything before is durable, without a sync of its own.
    pub(super) fn write_mark(&mut self) {
        self.mark_due = false;
        let Some(tail) = self.file.as_mut() else { return };
        let mark = Block {
            kind: Kind::Mark,
            payload_len: 0,
            payload_crc: 0,
            sequence: self.sequence + 1,
            durable: self.durable,
            file: tail.number,
            position: tail.position as u32,
            topic: METADATA_TOPIC,
            partition: -1,
            leader_epoch: self.shared.epoch as i32,
            base_offset: 0,
            span: 0,
            part: 0,
            parts: 1,
            max_timestamp: 0,
        };
        // A mark that cannot be written is only a mark that is missing: the next append goes over it.
        tail.ragged = tail.file.write_at(&mark.encode(), tail.position).is_err();
        tail.dirty = true;
        if !tail.ragged {
            tail.position += HEADER_BYTES as u64;
            self.sequence += 1;
            self.written = self.sequence;
        }
    }

    /// A clean shutdown: everything durable, and a last mark that says so.
    pub(super) fn close(&mut self) {
        if matches!(self.shared.queue.closed(), Some(LogAppendError::Poisoned { .. })) || self.file.is_none() {
            return;
        }
        let synced = self.sync().and_then(|()| {
            self.write_mark();
            self.file.as_ref().map_or(Ok(()), Tail::make_whole)
        });
        match (synced, self.file.take()) {
            (Err(error), _) => self.poison(&error),
            (Ok(()), Some(tail)) => {
                self.seal(&tail, true);
                sidecar::write_missing(&self.shared);
            }
            (Ok(()), None) => {}
        }
    }
}

impl Tail {
    /// Syncs what is in it, and nothing else: a mark that was half written would look like damage in a sealed file.
    pub(super) fn make_whole(&self) -> io::Result<()> {
        if self.ragged {
            self.file.truncate(self.position)?;
        }
        if self.ragged || self.dirty { self.file.sync() } else { Ok(()) }
    }
}
