//! A consumer that is given its partitions, read in batches; each message and each end of a partition says where it is.

use super::admin::Handle;
use super::{PartitionList, borrowed, bytes, millis};
use crate::error::Failure;
use crate::log::ClientLog;
use rdkafka::bindings as rd;
use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{ClientConfig, ClientContext};
use std::ffi::{c_char, c_int};
use std::mem::ManuallyDrop;
use std::time::Duration;

/// What is asked of the partition by time: Kafka's own numbers in ListOffsets.
pub(crate) const LATEST: i64 = -1;
pub(crate) const EARLIEST: i64 = -2;

pub(crate) struct Consumer {
    rk: *mut rd::rd_kafka_t,
    /// What the log callback writes to; it goes after the client.
    _log: Box<ClientLog>,
}

// SAFETY: librdkafka's client may be used from any thread, and by several at once.
unsafe impl Send for Consumer {}
// SAFETY: as above.
unsafe impl Sync for Consumer {}

impl Consumer {
    pub(crate) fn new(config: &ClientConfig, log: &ClientLog) -> Result<Self, Failure> {
        let log = Box::new(log.clone());
        let config = config.create_native_config()?;
        let mut reason = [0 as c_char; 512];
        // SAFETY: the configuration becomes the client's when it could be made, and is freed by its handle otherwise. The
        // opaque pointer is to the box that outlives the client.
        unsafe {
            rd::rd_kafka_conf_set_log_cb(config.ptr(), Some(log_line));
            rd::rd_kafka_conf_set_opaque(config.ptr(), std::ptr::from_ref(&*log).cast_mut().cast());
            let rk = rd::rd_kafka_new(
                rd::rd_kafka_type_t::RD_KAFKA_CONSUMER,
                config.ptr(),
                reason.as_mut_ptr(),
                reason.len(),
            );
            if rk.is_null() {
                return Err(Failure { code: Code::InvalidArgument, reason: borrowed(reason.as_ptr()).to_owned() });
            }
            let _ = ManuallyDrop::new(config);
            rd::rd_kafka_poll_set_consumer(rk);
            Ok(Self { rk, _log: log })
        }
    }

    /// Waits until a broker has answered; `None`: none did in time.
    pub(crate) fn cluster_id(&self, timeout: Duration) -> Option<String> {
        // SAFETY: the string is the caller's, and freed by librdkafka's own allocator.
        unsafe {
            let id = rd::rd_kafka_clusterid(self.rk, millis(timeout));
            let copy = (!id.is_null()).then(|| borrowed(id).to_owned());
            rd::rd_kafka_mem_free(self.rk, id.cast());
            copy
        }
    }

    /// Reads these partitions from their offsets; what was read ahead of others is dropped.
    pub(crate) fn assign(&self, partitions: &PartitionList) -> Result<(), Failure> {
        // SAFETY: the list is copied.
        match unsafe { rd::rd_kafka_assign(self.rk, partitions.0) }.into() {
            Code::NoError => Ok(()),
            code => Err(code.into()),
        }
    }

    /// Waits up to `timeout` for a first message, then takes what else is here, up to `count_max`.
    ///
    /// One by one: `rd_kafka_consume_batch_queue` counts the end of a partition as a message, and the position it leaves is
    /// one too high.
    pub(crate) fn receive(&self, timeout: Duration, count_max: usize, sink: &mut impl FnMut(Message)) -> usize {
        let mut wait = millis(timeout);
        for count in 0..count_max {
            // SAFETY: the message, if any, is owned from here on.
            let message = unsafe { rd::rd_kafka_consumer_poll(self.rk, wait) };
            if message.is_null() {
                return count;
            }
            sink(Message(message));
            wait = 0;
        }
        count_max
    }

    /// For each partition the offset behind the last message taken, markers of transactions included; negative: unknown.
    pub(crate) fn positions(&self, partitions: &mut PartitionList) {
        // SAFETY: the list is ours; its offsets are written. Errors stand in its entries.
        unsafe { rd::rd_kafka_position(self.rk, partitions.0) };
    }

    /// Replaces each entry's offset, a time in ms or [`LATEST`] or [`EARLIEST`], with the offset that belongs to it; entries
    /// that failed carry a code. Waits for the brokers.
    pub(crate) fn list_offsets(&self, partitions: &mut PartitionList, timeout: Duration) -> Result<(), Failure> {
        // SAFETY: the list is ours; its offsets are written.
        match unsafe { rd::rd_kafka_offsets_for_times(self.rk, partitions.0, millis(timeout)) }.into() {
            Code::NoError => Ok(()),
            code => Err(code.into()),
        }
    }
}

impl Handle for Consumer {
    fn handle(&self) -> *mut rd::rd_kafka_t {
        self.rk
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // SAFETY: owned, freed once. It never joined its group, so nothing is left there.
        unsafe { rd::rd_kafka_destroy_flags(self.rk, rd::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE as c_int) }
    }
}

unsafe extern "C" fn log_line(rk: *const rd::rd_kafka_t, level: c_int, facility: *const c_char, line: *const c_char) {
    // SAFETY: librdkafka passes its client (null while that is being made) and two C strings; the opaque pointer is the box
    // of `Consumer::new`.
    unsafe {
        let Some(log) = rk.as_ref().and_then(|_| rd::rd_kafka_opaque(rk).cast::<ClientLog>().as_ref()) else { return };
        let level = match level {
            ..=3 => Level::Error,
            4 => Level::Warning,
            5 => Level::Notice,
            6 => Level::Info,
            _ => Level::Debug,
        };
        log.log(level, borrowed(facility), borrowed(line));
    }
}

/// A message, an error, or the end of a partition. It keeps the answer that it came in alive.
pub(crate) struct Message(*mut rd::rd_kafka_message_t);

// SAFETY: owned by this handle; librdkafka counts references to the answer behind it with atomics.
unsafe impl Send for Message {}

impl Message {
    fn raw(&self) -> &rd::rd_kafka_message_t {
        // SAFETY: valid until it is dropped.
        unsafe { &*self.0 }
    }

    pub(crate) fn code(&self) -> Code {
        self.raw().err.into()
    }

    /// Empty for an error that concerns no topic.
    pub(crate) fn topic(&self) -> &str {
        let topic = self.raw().rkt;
        if topic.is_null() {
            return "";
        }
        // SAFETY: the topic lives as long as the message.
        unsafe { borrowed(rd::rd_kafka_topic_name(topic)) }
    }

    pub(crate) fn partition(&self) -> i32 {
        self.raw().partition
    }

    /// Of the message; for the end of a partition, that end.
    pub(crate) fn offset(&self) -> i64 {
        self.raw().offset
    }

    pub(crate) fn key(&self) -> Option<&[u8]> {
        // SAFETY: lives as long as the message.
        unsafe { bytes(self.raw().key.cast(), self.raw().key_len) }
    }

    /// For an error: what went wrong.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        // SAFETY: lives as long as the message.
        unsafe { bytes(self.raw().payload.cast(), self.raw().len) }
    }

    /// Milliseconds since the epoch.
    pub(crate) fn timestamp(&self) -> i64 {
        let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is valid.
        unsafe { rd::rd_kafka_message_timestamp(self.0, &mut kind) }
    }

    /// In order; names may repeat.
    pub(crate) fn headers(&self) -> Vec<(&str, Option<&[u8]>)> {
        let mut found = Vec::new();
        let mut headers = std::ptr::null_mut();
        // SAFETY: headers, their names and values belong to the message.
        unsafe {
            if Code::from(rd::rd_kafka_message_headers(self.0, &mut headers)) != Code::NoError {
                return found;
            }
            let (mut name, mut value, mut len) = (std::ptr::null(), std::ptr::null(), 0);
            while Code::from(rd::rd_kafka_header_get_all(headers, found.len(), &mut name, &mut value, &mut len))
                == Code::NoError
            {
                found.push((borrowed(name), bytes(value.cast(), len)));
            }
        }
        found
    }

    /// About what it takes in a batch.
    pub(crate) fn size_bytes(&self) -> usize {
        self.raw().len + self.raw().key_len + 16
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: owned, freed once.
        unsafe { rd::rd_kafka_message_destroy(self.0) }
    }
}
