//! Compressed batches: the same batch with its records uncompressed, and back.
//!
//! The log keeps batches as producers sent them; whoever reads records calls [`inflated`] first. What a batch inflates to is bounded, so
//! that a few bytes cannot claim the machine's memory. [`compressed`] is for compaction, which takes records out of a batch.
//!
//! Codecs as Kafka writes them: gzip (RFC 1952), snappy in the framing of `snappy-java` (or raw, as some clients send it), LZ4 frames,
//! zstd (KIP-110). Source: Kafka `org.apache.kafka.common.compress`.

use super::read::{BatchError, Compression, RecordBatchRef, batches};
use super::{ATTRIBUTES_AT, BATCH_OVERHEAD_BYTES, CRC_AT, LENGTH_AT, LOG_OVERHEAD_BYTES, builder::put};
use std::borrow::Cow;
use std::io::{self, Read, Write};

/// What one batch may inflate to: producers cut batches at 16 KiB to 1 MiB before they compress them.
pub const INFLATED_BYTES_MAX: usize = 64 << 20;

/// What the batches of one call may inflate to before no further one is: many small batches can each inflate to much.
pub const INFLATED_TOGETHER_BYTES: usize = 16 << 20;

/// How `snappy-java` begins a stream: its name, a version and the oldest version that can read it.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;
/// Version and oldest version, as snappy-java writes them.
const XERIAL_VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
/// What snappy-java puts into one block.
const XERIAL_BLOCK_BYTES: usize = 32 << 10;
/// A frame may ask for a window of its own size, whatever it holds: no larger than what a batch may inflate to.
const ZSTD_WINDOW_LOG_MAX: u32 = INFLATED_BYTES_MAX.ilog2();
const CODEC_MASK: u8 = 0x07;

/// The batches with uncompressed records, at the same offsets and with valid checksums; borrowed when none is compressed.
///
/// At least the first. Those behind the one that reaches [`INFLATED_TOGETHER_BYTES`] are left out: whoever wants them reads on from the
/// last offset that came.
///
/// # Errors
/// Every [`BatchError`] of walking over batches, [`BatchError::Inflate`] for bytes that do not decompress, [`BatchError::TooLarge`] for a
/// batch above [`INFLATED_BYTES_MAX`].
pub fn inflated(records: &[u8]) -> Result<Cow<'_, [u8]>, BatchError> {
    let mut is_plain = true;
    for batch in batches(records) {
        is_plain &= batch?.compression()? == Compression::None;
    }
    if is_plain {
        return Ok(Cow::Borrowed(records));
    }
    let mut plain = Vec::with_capacity(records.len().saturating_mul(3).min(INFLATED_TOGETHER_BYTES));
    for batch in batches(records) {
        if plain.len() >= INFLATED_TOGETHER_BYTES {
            break;
        }
        inflate_batch(&batch?, &mut plain)?;
    }
    Ok(Cow::Owned(plain))
}

/// The batches, none of them compressed yet, with compressed records, at the same offsets and with valid checksums.
///
/// # Errors
/// Every [`BatchError`] of walking over batches.
pub fn compressed(records: &[u8], codec: Compression) -> Result<Vec<u8>, BatchError> {
    let mut out = Vec::with_capacity(records.len());
    for batch in batches(records) {
        let batch = batch?;
        let (header, plain) = batch.bytes().split_at(BATCH_OVERHEAD_BYTES);
        let start = out.len();
        out.extend_from_slice(header);
        compress(codec, plain, &mut out).expect("writing to memory does not fail");
        let bytes = &mut out[start..];
        let length = i32::try_from(bytes.len() - LOG_OVERHEAD_BYTES);
        put(bytes, LENGTH_AT, length.map_err(|_| BatchError::BadLength { length: i32::MAX })?.to_be_bytes());
        bytes[ATTRIBUTES_AT + 1] = (bytes[ATTRIBUTES_AT + 1] & !CODEC_MASK) | codec as u8;
        let crc = crc32c::crc32c(&bytes[ATTRIBUTES_AT..]);
        put(bytes, CRC_AT, crc.to_be_bytes());
    }
    Ok(out)
}

fn compress(codec: Compression, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    match codec {
        Compression::None => out.extend_from_slice(plain),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            encoder.write_all(plain)?;
            encoder.finish()?;
        }
        Compression::Lz4 => {
            // Java clients read independent blocks only.
            let info = lz4_flex::frame::FrameInfo::new()
                .block_mode(lz4_flex::frame::BlockMode::Independent)
                .block_size(lz4_flex::frame::BlockSize::Max64KB);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, out);
            encoder.write_all(plain)?;
            encoder.finish()?;
        }
        Compression::Zstd => zstd::stream::copy_encode(plain, out, 0)?,
        Compression::Snappy => {
            out.extend_from_slice(XERIAL_MAGIC);
            out.extend_from_slice(&XERIAL_VERSIONS);
            for block in plain.chunks(XERIAL_BLOCK_BYTES) {
                let block = snap::raw::Encoder::new().compress_vec(block)?;
                out.extend_from_slice(&(block.len() as u32).to_be_bytes());
                out.extend_from_slice(&block);
            }
        }
    }
    Ok(())
}

fn inflate_batch(batch: &RecordBatchRef<'_>, out: &mut Vec<u8>) -> Result<(), BatchError> {
    let codec = batch.compression()?;
    if codec == Compression::None {
        out.extend_from_slice(batch.bytes());
        return Ok(());
    }
    let start = out.len();
    let (header, compressed) = batch.bytes().split_at(BATCH_OVERHEAD_BYTES);
    out.extend_from_slice(header);
    decompress(codec, compressed, out, start + BATCH_OVERHEAD_BYTES + INFLATED_BYTES_MAX)
        .map_err(|error| BatchError::Inflate { codec, reason: error.to_string() })?;
    let bytes = &mut out[start..];
    if bytes.len() > BATCH_OVERHEAD_BYTES + INFLATED_BYTES_MAX {
        return Err(BatchError::TooLarge { codec, limit_bytes: INFLATED_BYTES_MAX });
    }
    let length = i32::try_from(bytes.len() - LOG_OVERHEAD_BYTES).expect("the limit is far below 2 GiB");
    put(bytes, LENGTH_AT, length.to_be_bytes());
    bytes[ATTRIBUTES_AT + 1] &= !CODEC_MASK;
    let crc = crc32c::crc32c(&bytes[ATTRIBUTES_AT..]);
    put(bytes, CRC_AT, crc.to_be_bytes());
    Ok(())
}

/// Appends what `compressed` holds, at most one byte beyond a length of `end` in all.
fn decompress(codec: Compression, compressed: &[u8], out: &mut Vec<u8>, end: usize) -> io::Result<()> {
    let room = (end - out.len()) as u64 + 1;
    match codec {
        Compression::None => out.extend_from_slice(compressed),
        Compression::Gzip => drop(flate2::read::MultiGzDecoder::new(compressed).take(room).read_to_end(out)?),
        Compression::Lz4 => drop(lz4_flex::frame::FrameDecoder::new(compressed).take(room).read_to_end(out)?),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(compressed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            decoder.take(room).read_to_end(out)?;
        }
        Compression::Snappy => snappy(compressed, out, end)?,
    }
    Ok(())
}

fn snappy(compressed: &[u8], out: &mut Vec<u8>, end: usize) -> io::Result<()> {
    if !compressed.starts_with(XERIAL_MAGIC) {
        return snappy_block(compressed, out, end);
    }
    let cut_off = || io::Error::new(io::ErrorKind::UnexpectedEof, "a block is cut off");
    let mut rest = compressed.get(XERIAL_HEADER_BYTES..).ok_or_else(cut_off)?;
    while !rest.is_empty() && out.len() <= end {
        let (length, after) = rest.split_first_chunk().ok_or_else(cut_off)?;
        let (block, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(cut_off)?;
        snappy_block(block, out, end)?;
        rest = after;
    }
    Ok(())
}

fn snappy_block(block: &[u8], out: &mut Vec<u8>, end: usize) -> io::Result<()> {
    let length = snap::raw::decompress_len(block)?;
    let start = out.len();
    if start + length > end {
        // Told apart from bad bytes by its length.
        out.resize(end + 1, 0);
        return Ok(());
    }
    out.resize(start + length, 0);
    let written = snap::raw::Decoder::new().decompress(block, &mut out[start..])?;
    out.truncate(start + written);
    Ok(())
}
