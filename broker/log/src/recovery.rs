//! Opening: which blocks are there, what was torn off, what is damaged.
//!
//! Let D be the highest durable mark found: in the tail file the highest in any of its blocks, in every other file
//! everything (a file is begun only when the earlier ones are durable). Then
//! - the first append above D that is not whole, and everything behind it, is a torn tail: cut and reported;
//! - whatever is missing at or below D is damage: reported, fenced, never cut.

use crate::block::{ALIGNMENT, Block, HEADER_BYTES, Kind};
use crate::storage::StorageFile;
use crate::wal::{FORMAT_VERSION, FileHeader};
use crate::{OpenError, TopicId};
use std::collections::HashMap;
use std::io;
use std::ops::Range;

/// What opening found out of the ordinary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Nothing was torn, damaged or missing.
    pub clean: bool,
    pub torn: Vec<TornTail>,
    pub damaged: Vec<DamagedBlock>,
    /// Files that are not there any more, or are shorter than they were.
    pub missing: Vec<MissingBytes>,
}

/// What is missing of a sealed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingBytes {
    pub file: u64,
    pub size_bytes: u64,
    /// 0: the file is not there.
    pub found_bytes: u64,
}

/// Bytes that were cut off the tail: none of them was known durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    pub file: u64,
    pub position: u64,
    pub size_bytes: u64,
    /// What could still be read of it.
    pub offsets: Vec<LostOffsets>,
    /// Not everything in it could be read, so other partitions may be concerned too.
    pub unreadable: bool,
}

/// Acknowledged bytes that are no longer what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedBlock {
    pub file: u64,
    pub position: u64,
    pub size_bytes: u64,
    /// `None`: the block's own header is gone.
    pub offsets: Option<LostOffsets>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostOffsets {
    pub topic: TopicId,
    pub partition: i32,
    pub base_offset: i64,
    /// One past the last.
    pub end_offset: i64,
}

impl LostOffsets {
    fn of(block: &Block) -> Self {
        Self {
            topic: block.topic,
            partition: block.partition,
            base_offset: block.base_offset,
            end_offset: block.end_offset(),
        }
    }
}

/// What one file holds.
#[derive(Debug)]
pub(crate) struct Scan {
    pub header: Option<FileHeader>,
    /// Records and covers in file order, without those of the torn tail.
    pub blocks: Vec<Block>,
    pub torn: Option<TornTail>,
    pub damaged: Vec<DamagedBlock>,
    /// The last append in it; that before the file when it holds none.
    pub sequence: u64,
    /// It ends with a mark that covers everything before.
    pub ends_with_mark: bool,
    pub size_bytes: u64,
}

enum Item {
    Good(Block),
    BadPayload(Block),
    Unreadable(Range<u64>),
}

impl Item {
    fn block(&self) -> Option<&Block> {
        match self {
            Self::Good(block) | Self::BadPayload(block) => Some(block),
            Self::Unreadable(_) => None,
        }
    }

    /// The block when it belongs to a numbered append.
    fn numbered(&self) -> Option<&Block> {
        self.block().filter(|block| matches!(block.kind, Kind::Records | Kind::Mark))
    }

    fn range(&self) -> Range<u64> {
        match self {
            Self::Good(block) | Self::BadPayload(block) => {
                u64::from(block.position)..u64::from(block.position) + block.size_bytes() as u64
            }
            Self::Unreadable(range) => range.clone(),
        }
    }
}

/// Reads the whole file `number`, whose predecessors end with the append `previous`. `is_tail`: it may be torn.
pub(crate) fn scan(
    file: &dyn StorageFile,
    name: &str,
    number: u64,
    previous: u64,
    is_tail: bool,
) -> Result<Scan, OpenError> {
    let failed = |source| OpenError::Io { action: "read", name: name.to_owned(), source };
    let mut reader = Reader::new(file).map_err(failed)?;
    let mut header = None;
    let mut items = Vec::new();
    let mut position = 0;
    while position < reader.size {
        let item = next_item(&mut reader, number, position).map_err(failed)?;
        position = item.range().end;
        if let Item::Good(block) = &item
            && block.kind == Kind::File
        {
            let payload = reader.get(HEADER_BYTES as u64, block.payload_len as usize).map_err(failed)?;
            let newer = |found| OpenError::NewerFormat { dir: name.into(), found, known: FORMAT_VERSION };
            header = FileHeader::decode(block, payload).map_err(newer)?;
        }
        items.push(item);
    }
    Ok(judge(header, items, number, previous, reader.size, is_tail))
}

fn next_item(reader: &mut Reader<'_>, number: u64, position: u64) -> io::Result<Item> {
    if let Some(block) = header_at(reader, number, position)? {
        let payload_at = position + HEADER_BYTES as u64;
        let payload_bytes = block.size_bytes() - HEADER_BYTES;
        let fits = payload_at + payload_bytes as u64 <= reader.size;
        let whole = fits && block.payload_is_whole(reader.get(payload_at, payload_bytes)?);
        return Ok(if whole { Item::Good(block) } else { Item::BadPayload(block) });
    }
    if position + HEADER_BYTES as u64 <= reader.size
        && let Some(block) = Block::parse_with_one_bit_flipped(reader.get(position, HEADER_BYTES)?)
        && block.lies_at(number, position)
        && position + block.size_bytes() as u64 <= reader.size
    {
        // Whose it was is known again, and that is all that this is for: the block counts as damaged.
        return Ok(Item::BadPayload(block));
    }
    let mut next = position + ALIGNMENT as u64;
    while next < reader.size && header_at(reader, number, next)?.is_none() {
        next += ALIGNMENT as u64;
    }
    Ok(Item::Unreadable(position..next.min(reader.size)))
}

fn header_at(reader: &mut Reader<'_>, number: u64, position: u64) -> io::Result<Option<Block>> {
    if position + HEADER_BYTES as u64 > reader.size {
        return Ok(None);
    }
    let bytes = reader.get(position, HEADER_BYTES)?;
    Ok(Block::parse(bytes).filter(|block| block.lies_at(number, position)))
}

fn judge(
    header: Option<FileHeader>,
    items: Vec<Item>,
    number: u64,
    previous: u64,
    size_bytes: u64,
    is_tail: bool,
) -> Scan {
    let marks = items.iter().filter_map(Item::block).map(|block| block.durable);
    let durable = if is_tail { marks.max().unwrap_or(0).max(previous) } else { u64::MAX };
    let (cut, sequence) = first_torn(&items, header.map_or(previous, |header| header.sequence), durable);
    let mut scan = Scan {
        header,
        blocks: Vec::new(),
        torn: None,
        damaged: Vec::new(),
        sequence,
        ends_with_mark: false,
        size_bytes,
    };
    for (at, item) in items.into_iter().enumerate() {
        let Range { start, end } = item.range();
        if at >= cut {
            let torn = scan.torn.get_or_insert_with(|| TornTail {
                file: number,
                position: start,
                size_bytes: size_bytes - start,
                offsets: Vec::new(),
                unreadable: false,
            });
            torn.unreadable |= item.block().is_none();
            torn.offsets.extend(item.numbered().filter(|block| block.kind == Kind::Records).map(LostOffsets::of));
            scan.ends_with_mark = false;
            continue;
        }
        match item {
            Item::Good(block) => {
                scan.ends_with_mark = block.kind == Kind::Mark && block.durable + 1 == block.sequence;
                if matches!(block.kind, Kind::Records | Kind::Cover) {
                    scan.blocks.push(block);
                }
            }
            bad => {
                let offsets = bad.numbered().map(LostOffsets::of);
                scan.damaged.push(DamagedBlock { file: number, position: start, size_bytes: end - start, offsets });
            }
        }
    }
    scan
}

/// The number of the first item that belongs to an append above `durable` that is not whole (or that comes after one),
/// and the last append before it.
fn first_torn(items: &[Item], before_file: u64, durable: u64) -> (usize, u64) {
    let mut good_parts: HashMap<u64, u32> = HashMap::new();
    for item in items {
        if let (Item::Good(_), Some(block)) = (item, item.numbered()) {
            *good_parts.entry(block.sequence).or_default() += 1;
        }
    }
    let mut last = before_file;
    let mut unfinished = false;
    for (at, item) in items.iter().enumerate() {
        match (item.numbered(), item) {
            (Some(block), _) => {
                let gap = block.sequence > last + 1 && block.sequence - 1 > durable;
                let whole = good_parts.get(&block.sequence) == Some(&block.parts);
                if gap || (block.sequence > durable && !whole) {
                    return (at, last);
                }
                last = block.sequence;
                unfinished = block.part + 1 < block.parts;
            }
            (None, Item::Good(_)) => {}
            // Bytes that nobody can name belong to the append that comes next here.
            (None, _) => {
                let sequence = if unfinished { last } else { last + 1 };
                if sequence > durable {
                    return (at, last);
                }
            }
        }
    }
    (items.len(), last)
}

/// Reads forward through a file with a buffer of its own.
struct Reader<'a> {
    file: &'a dyn StorageFile,
    size: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl<'a> Reader<'a> {
    const READ_BYTES: usize = 1 << 20;

    fn new(file: &'a dyn StorageFile) -> io::Result<Self> {
        Ok(Self { file, size: file.size()?, buffer: Vec::new(), buffer_at: 0 })
    }

    /// Exactly `len` bytes at `position`, which must lie within the file.
    fn get(&mut self, position: u64, len: usize) -> io::Result<&[u8]> {
        let end = position + len as u64;
        if position < self.buffer_at || end > self.buffer_at + self.buffer.len() as u64 {
            self.buffer.resize(len.max(Self::READ_BYTES).min((self.size - position) as usize), 0);
            let read = self.file.read_at(&mut self.buffer, position)?;
            self.buffer.truncate(read);
            self.buffer_at = position;
        }
        let from = (position - self.buffer_at) as usize;
        self.buffer.get(from..from + len).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
