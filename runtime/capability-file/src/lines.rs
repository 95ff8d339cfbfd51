//! From file bytes to lines in Arrow form: one read, one scan, one compaction in place.
//!
//! Lines end with LF, CR LF or CR, as in Kafka's FileStreamSource; a CR that is the last byte so far waits for the next one.
//! Only whole lines are read. The buffer that the file was read into becomes the Arrow buffer.

use memchr::memchr2;
use std::io;

/// How much one call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A line above this is skipped and reported.
    pub line_bytes_max: usize,
    pub lines_max: usize,
    pub read_bytes_max: usize,
}

/// A line above [`Limits::line_bytes_max`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oversized {
    pub position: u64,
    pub size_bytes: u64,
}

/// Whole lines: line i is `data[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lines {
    pub data: Vec<u8>,
    pub offsets: Vec<i32>,
    pub oversized: Vec<Oversized>,
    /// Behind the last line end that was read.
    pub position: u64,
    /// How far the file was looked at: without more bytes behind this there is nothing new.
    pub looked_to: u64,
    /// An over-long line whose end has not been seen: where it begins, and how far the search came.
    pub unfinished: Option<Unfinished>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfinished {
    pub position: u64,
    pub searched_to: u64,
}

/// Reads at a position; 0 means the end.
pub trait ReadAt {
    /// Fills `buffer`'s spare capacity up to `wanted` bytes.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, buffer: &mut Vec<u8>, wanted: usize, position: u64) -> io::Result<usize>;
}

const READ_BYTES_MIN: usize = 64 << 10;
/// Arrow's offsets are 32 bits wide, and one batch is no place for more.
const READ_BYTES_LIMIT: usize = 64 << 20;
/// One call searches at most so far for the end of an over-long line.
const SEARCH_BYTES_MAX: u64 = 64 << 20;
const SEARCH_CHUNK_BYTES: usize = 256 << 10;

/// Reads whole lines from `position`. `unfinished` is what the call before said.
///
/// # Errors
/// What the system says.
pub fn read_lines(
    file: &impl ReadAt,
    position: u64,
    limits: Limits,
    unfinished: Option<Unfinished>,
) -> io::Result<Lines> {
    let limits = Limits {
        line_bytes_max: limits.line_bytes_max.clamp(1, READ_BYTES_LIMIT - 2),
        lines_max: limits.lines_max.max(1),
        read_bytes_max: limits.read_bytes_max.clamp(READ_BYTES_MIN, READ_BYTES_LIMIT),
    };
    if let Some(unfinished) = unfinished.filter(|unfinished| unfinished.position == position) {
        return skip_line(file, unfinished);
    }
    let mut wanted = limits.read_bytes_max;
    loop {
        let mut data = Vec::with_capacity(wanted);
        let at_end = fill(file, &mut data, wanted, position)?;
        let read = data.len();
        let lines = cut(data, position, limits, at_end);
        let found = lines.position > position;
        if found || (at_end && read <= limits.line_bytes_max + 1) {
            return Ok(lines);
        }
        if read > limits.line_bytes_max + 1 {
            // The last byte is searched again: it may be a CR that waited for its LF.
            let searched_to = position + read as u64 - 1;
            return skip_line(file, Unfinished { position, searched_to });
        }
        wanted = (wanted * 2).min(limits.line_bytes_max + 2);
    }
}

/// Reads until `wanted` bytes are there; true at the end of the file.
fn fill(file: &impl ReadAt, data: &mut Vec<u8>, wanted: usize, position: u64) -> io::Result<bool> {
    while data.len() < wanted {
        let missing = wanted - data.len();
        if file.read_at(data, missing, position + data.len() as u64)? == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Finds the lines in `data` and moves them together, over their line ends.
fn cut(mut data: Vec<u8>, position: u64, limits: Limits, at_end: bool) -> Lines {
    let read = data.len();
    let mut lines = Lines { offsets: Vec::with_capacity(read / 64 + 2), ..Lines::default() };
    lines.offsets.push(0);
    let (mut start, mut kept) = (0, 0);
    let mut count = 0;
    while count < limits.lines_max {
        let Some(length) = memchr2(b'\n', b'\r', &data[start..]) else { break };
        let end = start + length;
        let behind = match data[end] {
            b'\n' => end + 1,
            _ if end + 1 == read => break,
            _ => end + 1 + usize::from(data[end + 1] == b'\n'),
        };
        if length > limits.line_bytes_max {
            lines.oversized.push(Oversized { position: position + start as u64, size_bytes: length as u64 });
        } else {
            data.copy_within(start..end, kept);
            kept += length;
            lines.offsets.push(kept as i32);
        }
        start = behind;
        count += 1;
    }
    data.truncate(kept);
    lines.data = data;
    lines.position = position + start as u64;
    // Lines that were left for the next call are new to it.
    let looked_at_all = at_end && count < limits.lines_max;
    lines.looked_to = if looked_at_all { position + read as u64 } else { lines.position };
    lines
}

/// Searches the end of an over-long line without keeping it.
fn skip_line(file: &impl ReadAt, unfinished: Unfinished) -> io::Result<Lines> {
    let Unfinished { position, searched_to } = unfinished;
    let mut at = searched_to;
    let mut lines = Lines { offsets: vec![0], position, ..Lines::default() };
    let mut chunk = Vec::with_capacity(SEARCH_CHUNK_BYTES);
    loop {
        chunk.clear();
        let at_end = fill(file, &mut chunk, SEARCH_CHUNK_BYTES, at)?;
        if let Some(index) = memchr2(b'\n', b'\r', &chunk) {
            let end = at + index as u64;
            let mut next = Vec::with_capacity(1);
            let behind = match chunk[index] {
                b'\n' => Some(end + 1),
                _ if fill(file, &mut next, 1, end + 1)? => None,
                _ => Some(end + 1 + u64::from(next[0] == b'\n')),
            };
            if let Some(behind) = behind {
                lines.oversized.push(Oversized { position, size_bytes: end - position });
                (lines.position, lines.looked_to) = (behind, behind);
            } else {
                lines.unfinished = Some(Unfinished { position, searched_to: end });
                lines.looked_to = end + 1;
            }
            return Ok(lines);
        }
        at += chunk.len() as u64;
        if at_end || at - searched_to >= SEARCH_BYTES_MAX {
            lines.unfinished = Some(Unfinished { position, searched_to: at });
            // Beyond the search's limit there may be more: only at the end is there nothing to come back for.
            lines.looked_to = if at_end { at } else { position };
            return Ok(lines);
        }
    }
}

#[cfg(test)]
mod tests;
