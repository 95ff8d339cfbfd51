//! `/metrics` of the real broker and of the real hub, scraped while they are used.

use crate::support::{Broker, free_address};
use std::io::{Read, Write};
use std::net::TcpStream;

fn scrape(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// The value of one series.
#[track_caller]
fn value(text: &str, series: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("{series} is not in\n{text}")).parse().unwrap()
}

#[test]
fn a_brokers_metrics_say_what_was_written_read_and_committed() {
    let metrics = free_address();
    let broker = Broker::start_with(&["--metrics-listen", &metrics]);
    broker.ok(&["topic", "create", "orders", "-p", "2"]);
    let lines: String = (0..10).map(|number| format!("order {number}\n")).collect();
    assert_eq!(broker.run_with(&["produce", "orders", "-p", "1"], &lines).code, 0);
    broker.ok(&["consume", "orders", "--group", "readers", "--from-beginning", "-n", "4"]);
    broker.ok(&["topic", "delete-records", "orders", "-p", "1", "--before", "3"]);

    let text = scrape(&metrics);
    let of = |name: &str| value(&text, &format!("{name}{{topic=\"orders\",partition=\"1\"}}"));
    assert_eq!((of("kafka_log_log_start_offset"), of("kafka_log_log_end_offset")), (3.0, 10.0));
    assert_eq!(of("kafka_server_broker_topic_metrics_messages_in_total"), 10.0);
    assert!(of("kafka_log_size_bytes") > 100.0);
    let written = of("kafka_server_broker_topic_metrics_bytes_in_total");
    assert!(written > 100.0 && of("kafka_server_broker_topic_metrics_bytes_out_total") >= written, "{text}");
    let lag = "kafka_consumergroup_lag{consumergroup=\"readers\",topic=\"orders\",partition=\"1\"}";
    assert_eq!(value(&text, lag), 6.0);
    assert_eq!(value(&text, &lag.replace("lag", "current_offset")), 4.0);
    assert_eq!(value(&text, "kafka_consumergroup_members{consumergroup=\"readers\",state=\"Empty\"}"), 0.0);

    assert!(value(&text, "kafka_network_request_metrics_requests_total{request=\"Produce\"}") >= 1.0);
    let count = "kafka_network_request_metrics_total_time_seconds_count{request=\"Fetch\"}";
    assert!(value(&text, count) >= 1.0);
    let all = "kafka_network_request_metrics_total_time_seconds_bucket{request=\"Fetch\",le=\"+Inf\"}";
    assert_eq!(value(&text, all), value(&text, count));
    assert!(value(&text, "kafka_server_socket_server_metrics_connection_creation_total") >= 3.0);
    assert_eq!(value(&text, "sluice_log_durability{durability=\"fsync\"}"), 1.0);
    assert!(value(&text, "sluice_log_fsync_seconds_count") >= 2.0);
    assert!(value(&text, "sluice_log_append_seconds_count") >= 1.0);
    // At most the mark that is written when nothing is to be done.
    assert!(value(&text, "sluice_log_write_behind_bytes") <= 104.0);
    assert_eq!(value(&text, "sluice_log_healthy"), 1.0);

    broker.ok(&["topic", "create", "fast", "-c", "durability=os"]);
    let series = "sluice_log_topic_durability{topic=\"fast\",durability=\"os\"}";
    assert_eq!(value(&scrape(&metrics), series), 1.0);
    // A topic that is gone takes its series along.
    broker.ok(&["topic", "delete", "orders"]);
    assert!(!scrape(&metrics).contains("topic=\"orders\""));
}

#[test]
fn page_cache_durability_is_shown_with_what_is_not_on_the_disk_yet() {
    let metrics = free_address();
    let broker = Broker::start_with(&["--metrics-listen", &metrics, "--override", "log.durability=os"]);
    assert_eq!(broker.run_with(&["produce", "t"], "one\ntwo\n").code, 0);
    let text = scrape(&metrics);
    assert_eq!(value(&text, "sluice_log_durability{durability=\"os\"}"), 1.0);
    assert!(value(&text, "sluice_log_write_behind_bytes") > 0.0, "{text}");
}

#[test]
fn ten_thousand_partitions_are_scraped_at_once() {
    let metrics = free_address();
    let broker = Broker::start_with(&["--metrics-listen", &metrics]);
    broker.ok(&["topic", "create", "wide", "-p", "10000"]);
    let begin = std::time::Instant::now();
    let text = scrape(&metrics);
    let took = begin.elapsed();
    assert_eq!(value(&text, "kafka_log_log_end_offset{topic=\"wide\",partition=\"9999\"}"), 0.0);
    assert_eq!(value(&text, "sluice_metrics_partitions_left_out"), 0.0);
    println!("{} bytes for 10,000 partitions in {took:?}", text.len());
    broker.ok(&["topic", "create", "wider", "-p", "15000"]);
    let text = scrape(&metrics);
    let left_out = value(&text, "sluice_metrics_partitions_left_out");
    assert!((5_000.0..5_100.0).contains(&left_out), "{left_out}");
}

#[test]
fn a_hub_shows_its_log_and_its_kafka_listener_beside_its_connectors() {
    let broker = Broker::start_hub();
    assert_eq!(broker.run_with(&["produce", "shared"], "x\n").code, 0);
    let text = scrape(broker.url().strip_prefix("http://").unwrap());
    assert_eq!(value(&text, "kafka_log_log_end_offset{topic=\"shared\",partition=\"0\"}"), 1.0);
    assert!(value(&text, "kafka_network_request_metrics_requests_total{request=\"Produce\"}") >= 1.0);
    // Another name for the same thing would be a mistake of whoever adds it.
    let heads: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let mut unique = heads.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(heads.len(), unique.len());
}
