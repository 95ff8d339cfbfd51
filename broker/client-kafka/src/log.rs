//! What librdkafka says of itself goes to the log; its last complaint explains a time-out.

use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::error::KafkaError;
use std::sync::Arc;

#[derive(Debug, Clone, Default)]
pub(crate) struct ClientLog(Arc<Mutex<Option<String>>>);

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
        self.0.lock().clone()
    }
}

impl ClientLog {
    /// That all brokers are down says less than why the last one is.
    fn remember(&self, message: &str) {
        if !message.contains("brokers are down") {
            *self.0.lock() = Some(message.to_owned());
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
        self.remember(reason);
    }
}
