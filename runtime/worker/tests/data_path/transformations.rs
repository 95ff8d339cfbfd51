//! The chain: order, predicates, retries, bad rows.

use crate::support::*;
use tempfile::tempdir;

const SUFFIX: (&str, &str) = ("transforms.s.type", "Suffix");

async fn run(entries: &[(&str, &str)], total: i64) -> (Hub, tempfile::TempDir) {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.give(total, total);
    hub.run(source_spec(entries)).await;
    (hub, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn transformations_apply_in_order_where_their_predicates_hold() {
    let mut entries = vec![("transforms", "s,t,u"), SUFFIX, ("transforms.s.suffix", "-s")];
    entries.extend([("transforms.t.type", "Suffix"), ("transforms.t.suffix", "-t"), ("transforms.t.predicate", "p")]);
    entries.extend([("transforms.u.type", "Suffix"), ("transforms.u.suffix", "-u"), ("transforms.u.predicate", "p")]);
    entries.extend([("transforms.u.negate", "true"), ("predicates", "p"), ("predicates.p.pattern", "num.*")]);
    entries.push(("predicates.p.type", "org.apache.kafka.connect.transforms.predicates.TopicNameMatches"));
    let (hub, _folder) = run(&entries, 2).await;
    hub.counter.until_committed(2).await;
    assert_eq!(values(&hub.read("numbers", 0).await), ["n-0-s-t", "n-1-s-t"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_refused_is_found_and_the_others_keep_their_order() {
    let entries = [("transforms", "s"), SUFFIX, ("transforms.s.refuse", "n-5"), ("errors.tolerance", "all")];
    let (hub, _folder) = run(&entries, 9).await;
    hub.counter.until_committed(9).await;
    assert_eq!(values(&hub.read("numbers", 0).await), ["n-0", "n-1", "n-2", "n-3", "n-4", "n-6", "n-7", "n-8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_transformation_is_retried_as_long_as_the_timeout_allows() {
    let busy = [("transforms", "s"), SUFFIX, ("transforms.s.busy", "1")];
    let patient = [("errors.retry.timeout", "-1"), ("errors.retry.delay.max.ms", "0")];
    let (hub, _folder) = run(&[&busy[..], &patient[..]].concat(), 2).await;
    hub.counter.until_committed(2).await;
    // Unlike Kafka Connect: used-up retries fail the task, they do not drop the record.
    let (hub, _folder) = run(&busy, 1).await;
    let failure = hub.heard.failure().await;
    assert!(failure.contains("TRANSFORMATION") && failure.contains("come back later"), "{failure}");
    assert!(hub.source_offset("numbers").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_predicate_that_is_not_listed_is_an_error_that_names_it() {
    let (hub, _folder) = run(&[("transforms", "s"), SUFFIX, ("transforms.s.predicate", "nobody")], 1).await;
    let failure = hub.heard.failure().await;
    assert!(failure.contains("nobody") && failure.contains("transforms.s.predicate"), "{failure}");
}
