//! What librdkafka says of itself goes to the log; its last complaint explains a time-out.

use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, Clone, Default)]
pub(crate) struct ClientLog {
    said: Arc<Mutex<Option<String>>>,
    all_down: Arc<AtomicBool>,
}

impl ClientLog {
    /// `reason`, and why, when librdkafka said so: a time-out alone tells nobody that a port was closed.
    pub(crate) fn explain(&self, reason: &str) -> String {
        match self.said() {
            Some(said) => format!("{reason} ({said})"),
            None => reason.to_owned(),
        }
    }

    /// The last complaint.
    pub(crate) fn said(&self) -> Option<String> {
        self.said.lock().clone()
    }

    /// Whether every broker was seen to be down at one time.
    pub(crate) fn all_down(&self) -> bool {
        self.all_down.load(Ordering::Relaxed)
    }
}

impl ClientLog {
    /// That all brokers are down says less than why the last one is.
    fn remember(&self, message: &str) {
        if !message.contains("brokers are down") {
            *self.said.lock() = Some(message.to_owned());
        }
    }
}

impl ClientContext for ClientLog {
    fn log(&self, level: Level, facility: &str, message: &str) {
        match level {
            Level::Emerg | Level::Alert | Level::Critical | Level::Error => {
                self.remember(message);
                // A broker that is away is said again and again; what fails because of it says so too.
                tracing::warn!(target: "librdkafka", facility, "{message}");
            }
            Level::Warning | Level::Notice => tracing::info!(target: "librdkafka", facility, "{message}"),
            Level::Info | Level::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        if error.rdkafka_error_code() == Some(Code::AllBrokersDown) {
            self.all_down.store(true, Ordering::Relaxed);
        }
        self.remember(reason);
    }
}
