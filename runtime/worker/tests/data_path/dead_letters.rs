//! Failed records of sources: the only copy is the dead letter.

use crate::support::*;
use tempfile::tempdir;

const TOLERANT: [(&str, &str); 3] = [
    ("errors.tolerance", "all"),
    ("errors.deadletterqueue.topic.name", "dead"),
    ("errors.deadletterqueue.context.headers.enable", "true"),
];
const REFUSING: [(&str, &str); 3] =
    [("transforms", "t"), ("transforms.t.type", transformation::CLASS), ("transforms.t.refuse", "n-1")];

fn header(letter: &Record, name: &str) -> Option<String> {
    let name = format!("__connect.errors.{name}");
    letter.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_record_that_a_transformation_rejects_is_a_dead_letter_as_it_was_polled() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.give(3, 3);
    hub.counter.0.change(|script| script.keyed = true);
    hub.run(source_spec(&[&TOLERANT[..], &REFUSING, &[("transforms.t.suffix", "!")]].concat())).await;
    hub.counter.until_committed(3).await;
    assert_eq!(values(&hub.read("numbers", 0).await), ["n-0!", "n-2!"]);
    let letters = hub.read("dead", 0).await;
    assert_eq!(values(&letters), ["n-1"]);
    assert_eq!((letters[0].key.as_deref(), letters[0].timestamp), (Some("k-1"), 5));
    let header = |name: &str| header(&letters[0], name).unwrap();
    assert_eq!((header("topic"), header("stage")), ("numbers".into(), "TRANSFORMATION".into()));
    assert_eq!((header("key.format"), header("value.format")), ("string".into(), "string".into()));
    assert_eq!((header("connector.name"), header("class.name")), ("numbers".into(), transformation::CLASS.into()));
    assert_eq!(header("exception.message"), "n-1 is refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_record_that_no_partition_takes_is_a_dead_letter() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.give(2, 2);
    hub.counter.0.change(|script| script.partition = Some(7));
    hub.run(source_spec(&TOLERANT)).await;
    hub.counter.until_committed(2).await;
    assert!(hub.read("numbers", 0).await.is_empty());
    let letters = hub.read("dead", 0).await;
    assert_eq!(values(&letters), ["n-0", "n-1"]);
    assert_eq!(header(&letters[0], "stage").unwrap(), "KAFKA_PRODUCE");
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_never_became_a_record_is_a_dead_letter_with_its_cause() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.give(3, 3);
    hub.counter.0.change(|script| script.rejected = vec![1]);
    hub.run(source_spec(&TOLERANT)).await;
    hub.counter.until_committed(3).await;
    let letters = hub.read("dead", 0).await;
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].key.clone(), letters[0].value.clone()), (None, None));
    assert_eq!(header(&letters[0], "exception.message").unwrap(), "number 1 is refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sources_fatal_record_is_a_dead_letter_and_nothing_of_its_poll_is_appended() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.give(3, 3);
    hub.run(source_spec(&[&TOLERANT[1..], &REFUSING].concat())).await;
    let failure = hub.heard.failure().await;
    assert!(failure.contains("n-1 is refused"), "{failure}");
    assert_eq!(values(&hub.read("dead", 0).await), ["n-1"]);
    assert!(hub.broker.admin().describe_topic("numbers").await.unwrap().is_none());
    assert_eq!(hub.source_offset("numbers"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_row_of_ten_thousand_is_found_and_the_others_arrive() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.give(10_000, 10_000);
    let refusing =
        [("transforms", "t"), ("transforms.t.type", transformation::CLASS), ("transforms.t.refuse", "n-7777")];
    let calls = transformation::calls();
    hub.run(source_spec(&[&TOLERANT[..], &refusing].concat())).await;
    hub.counter.until_committed(10_000).await;
    assert_eq!(hub.read("numbers", 0).await.len(), 9_999);
    assert_eq!(values(&hub.read("dead", 0).await), ["n-7777"]);
    // Halving ten thousand takes fourteen steps of two calls; other tests of this process add some.
    let called = transformation::calls() - calls;
    assert!(called < 500, "{called} calls");
}
