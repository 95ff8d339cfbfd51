//! librdkafka's settings for a broker that is away for a moment again and again.

use rdkafka::ClientConfig;

/// What all clients share: they come back at once.
pub fn client_config(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", address)
        .set("reconnect.backoff.ms", "5")
        .set("reconnect.backoff.max.ms", "20")
        .set("retry.backoff.ms", "5")
        .set("retry.backoff.max.ms", "50")
        .set("topic.metadata.refresh.fast.interval.ms", "10")
        .set("socket.connection.setup.timeout.ms", "2000")
        .set("log.connection.close", "false");
    config
}

/// An idempotent producer with up to five requests in flight.
pub fn producer_config(address: &str) -> ClientConfig {
    let mut config = client_config(address);
    config
        .set("enable.idempotence", "true")
        .set("linger.ms", "1")
        // Small requests, so that there are several in flight.
        .set("batch.num.messages", "40");
    config
}

/// A member of a group that commits by itself.
pub fn consumer_config(address: &str, group: &str) -> ClientConfig {
    let mut config = client_config(address);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A lost commit shows as a reading from the beginning.
        .set("auto.offset.reset", "earliest")
        .set("heartbeat.interval.ms", "100")
        .set("session.timeout.ms", "6000")
        .set("coordinator.query.interval.ms", "500")
        .set("fetch.wait.max.ms", "50")
        .set("fetch.error.backoff.ms", "5");
    config
}
