//! The calls of librdkafka that `rdkafka` does not wrap, made safe: the only `unsafe` of this crate.
//!
//! Rules that the blocks below rest on:
//! - A handle owns its pointer and frees it once, on drop; nothing hands a pointer out that outlives its handle.
//! - Strings and lists that librdkafka returns belong to the event or message they came in, and are copied or borrowed
//!   from it.
//! - librdkafka's handles may be used from any thread (its `INTRODUCTION.md`, "Threads and callbacks").

pub(crate) mod admin;
pub(crate) mod consumer;
pub(crate) mod groups;
pub(crate) mod offsets;
pub(crate) mod topics;

use crate::error::Failure;
use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaErrorCode as Code;
use std::ffi::{CStr, CString, c_char, c_int};
use std::time::Duration;

/// Whether an operation may be tried again, and whether its transaction is over.
#[derive(Debug, Clone)]
pub(crate) struct TransactionFailure {
    pub failure: Failure,
    pub is_retriable: bool,
    pub is_fatal: bool,
}

/// Topics, partitions and offsets, as librdkafka wants them.
pub(crate) struct PartitionList(*mut rd::rd_kafka_topic_partition_list_t);

// SAFETY: a plain list in memory, owned by this handle.
unsafe impl Send for PartitionList {}

/// One entry of a list, borrowed.
pub(crate) struct Entry<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    pub metadata: &'a [u8],
    pub code: Code,
}

impl PartitionList {
    pub(crate) fn new() -> Self {
        // SAFETY: no preconditions; it aborts rather than return null.
        Self(unsafe { rd::rd_kafka_topic_partition_list_new(8) })
    }

    pub(crate) fn add(&mut self, topic: &str, partition: i32, offset: i64, metadata: &str) {
        let topic = text(topic);
        // SAFETY: the topic is copied; the returned entry is valid until the next call. Metadata belongs to the list, which
        // frees it by `rd_free`, so it comes from librdkafka's own allocator.
        unsafe {
            let entry = rd::rd_kafka_topic_partition_list_add(self.0, topic.as_ptr(), partition);
            (*entry).offset = offset;
            if !metadata.is_empty() {
                let copy = rd::rd_kafka_mem_malloc(std::ptr::null_mut(), metadata.len());
                std::ptr::copy_nonoverlapping(metadata.as_ptr(), copy.cast(), metadata.len());
                (*entry).metadata = copy;
                (*entry).metadata_size = metadata.len();
            }
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        // SAFETY: the list is valid and not changed while borrowed.
        unsafe { entries(self.0) }
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: owned, freed once.
        unsafe { rd::rd_kafka_topic_partition_list_destroy(self.0) }
    }
}

/// # Safety
/// `list` is null or a valid list that lives and does not change for `'a`.
unsafe fn entries<'a>(list: *const rd::rd_kafka_topic_partition_list_t) -> impl Iterator<Item = Entry<'a>> {
    // SAFETY: `elems` holds `cnt` entries.
    let entries = unsafe {
        match list.as_ref() {
            Some(list) if list.cnt > 0 => std::slice::from_raw_parts(list.elems, list.cnt as usize),
            _ => &[],
        }
    };
    entries.iter().map(|entry| Entry {
        // SAFETY: a C string that lives as long as its entry.
        topic: unsafe { borrowed(entry.topic) },
        partition: entry.partition,
        offset: entry.offset,
        // SAFETY: `metadata` is null or has `metadata_size` bytes.
        metadata: unsafe { bytes(entry.metadata.cast(), entry.metadata_size) }.unwrap_or_default(),
        code: entry.err.into(),
    })
}

/// # Safety
/// `text` is null or a C string that lives for `'a`.
unsafe fn borrowed<'a>(text: *const c_char) -> &'a str {
    if text.is_null() {
        return "";
    }
    // SAFETY: by this function's contract.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap_or_default()
}

/// # Safety
/// `data` is null or points to `len` bytes that live for `'a`.
unsafe fn bytes<'a>(data: *const u8, len: usize) -> Option<&'a [u8]> {
    // SAFETY: by this function's contract.
    (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data, len) })
}

/// Takes an error over and frees it. `None`: it was none.
///
/// # Safety
/// `error` is null or an error that the caller owns.
unsafe fn taken(error: *mut rd::rd_kafka_error_t) -> Option<TransactionFailure> {
    if error.is_null() {
        return None;
    }
    // SAFETY: valid until it is destroyed, here.
    unsafe {
        let failure = failure_of(error);
        let is_retriable = rd::rd_kafka_error_is_retriable(error) != 0;
        let is_fatal = rd::rd_kafka_error_is_fatal(error) != 0;
        rd::rd_kafka_error_destroy(error);
        Some(TransactionFailure { failure, is_retriable, is_fatal })
    }
}

/// # Safety
/// `error` is null (no error) or valid.
unsafe fn failure_of(error: *const rd::rd_kafka_error_t) -> Failure {
    // SAFETY: by this function's contract; both calls take null.
    unsafe {
        let code = rd::rd_kafka_error_code(error).into();
        Failure { code, reason: borrowed(rd::rd_kafka_error_string(error)).to_owned() }
    }
}

/// Names come from Kafka or were checked by it; one with a NUL inside cannot exist there and becomes an empty name.
fn text(value: &str) -> CString {
    CString::new(value).unwrap_or_default()
}

fn millis(timeout: Duration) -> c_int {
    c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX)
}
