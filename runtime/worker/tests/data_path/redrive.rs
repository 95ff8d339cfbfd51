//! Dead letters that are sent again.

use crate::support::*;
use sluice_connect_api::ConnectError;
use sluice_data::ConnectorName;
use sluice_worker::{
    Letter, LetterOutcome, RedriveEntry, RedriveMode, RedriveState, StoredLetter, TaskSpec, dead_letters,
};
use tempfile::{TempDir, tempdir};

const TOLERANT: [(&str, &str); 3] = [
    ("errors.tolerance", "all"),
    ("errors.deadletterqueue.topic.name", "dead"),
    ("errors.deadletterqueue.context.headers.enable", "true"),
];

fn letter(stored: &StoredLetter) -> Letter {
    let context = |name: &str| stored.context.get(name).cloned();
    Letter {
        id: stored.id.clone(),
        topic_id: stored.topic_id,
        topic: context("topic").unwrap(),
        timestamp: stored.timestamp,
        key: stored.key.clone(),
        value: stored.value.clone(),
        headers: stored.headers.clone(),
        key_format: context("key.format"),
        value_format: context("value.format"),
        is_replay: false,
    }
}

async fn letters(hub: &Hub) -> Vec<Letter> {
    let page = dead_letters(&*hub.broker, "dead", "numbers", (0, 0), 100).await.unwrap();
    page.letters.iter().map(letter).collect()
}

fn state(hub: &Hub, letter: &Letter) -> Option<RedriveState> {
    let entry: Option<RedriveEntry> = hub.worker.redrives().get(&ConnectorName::new("numbers"), &letter.id);
    entry.map(|entry| entry.state)
}

/// A sink that refused `b` and `d` and would take them now.
async fn sink_with_letters() -> (Hub, TempDir, TaskSpec) {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.create_topic("numbers", 1).await;
    hub.produce("numbers", &["a", "b", "c", "d"]).await;
    hub.target.0.change(|state| state.refused = vec!["b".into(), "d".into()]);
    let spec = sink_spec(&TOLERANT, &[]);
    let id = hub.run(spec.clone()).await;
    hub.target.until_rows(2).await;
    hub.worker.stop_task(&id).await;
    hub.target.0.change(|state| state.refused.clear());
    (hub, folder, spec)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sinks_letters_arrive_under_their_own_place_in_the_queue() {
    let (hub, _folder, spec) = sink_with_letters().await;
    let letters = letters(&hub).await;
    let outcomes = hub.worker.redrive(spec, letters.clone(), RedriveMode::Deliver).await.unwrap();
    assert_eq!(outcomes, [LetterOutcome::Delivered { records: 1 }, LetterOutcome::Delivered { records: 1 }]);
    let deliveries = hub.target.0.look(|state| state.deliveries.clone());
    for (delivery, letter) in deliveries[deliveries.len() - 2..].iter().zip(&letters) {
        let place = (delivery.topic.as_str(), delivery.partition, delivery.first, delivery.last);
        assert_eq!(place, ("dead", 0, letter.id.offset, letter.id.offset));
        assert!(delivery.topic_id.ends_with(&format!("#{}", letter.id.offset)), "{}", delivery.topic_id);
        assert_eq!(state(&hub, letter), Some(RedriveState::Delivered));
    }
    let mut stored: Vec<String> = hub.target.rows().into_iter().map(|(_, value)| value).collect();
    stored.sort();
    assert_eq!(stored, ["a", "b", "c", "d"]);
    assert_eq!(values(&hub.read("numbers", 0).await), ["a", "b", "c", "d"], "no other reader sees anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_fails_again_says_why_and_the_others_go_on() {
    let (hub, _folder, spec) = sink_with_letters().await;
    hub.target.0.change(|state| state.refused = vec!["b".into()]);
    let letters = letters(&hub).await;
    let outcomes = hub.worker.redrive(spec, letters.clone(), RedriveMode::Deliver).await.unwrap();
    assert!(
        matches!(&outcomes[0], LetterOutcome::Failed { stage, reason, .. }
        if stage == "TASK_PUT" && reason == "b is refused"),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[1], LetterOutcome::Delivered { records: 1 });
    assert_eq!(state(&hub, &letters[0]), Some(RedriveState::Failed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_asks_to_be_tried_later_is_told_that_it_is_a_replay() {
    let (hub, _folder, spec) = sink_with_letters().await;
    hub.target.0.change(|state| state.errors.push_back(ConnectError::retriable("busy", "later")));
    let letters = letters(&hub).await[..1].to_vec();
    let outcomes = hub.worker.redrive(spec, letters, RedriveMode::Deliver).await.unwrap();
    assert_eq!(outcomes, [LetterOutcome::Delivered { records: 1 }]);
    let replays =
        hub.target.0.look(|state| state.deliveries.iter().rev().take(2).map(|one| one.is_replay).collect::<Vec<_>>());
    assert_eq!(replays, [true, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_the_sink_does_not_vouch_for_has_no_end() {
    let (hub, _folder, spec) = sink_with_letters().await;
    hub.target.0.change(|state| state.withholds = true);
    let failure = hub.worker.redrive(spec, letters(&hub).await, RedriveMode::Deliver).await.unwrap_err();
    assert!(failure.message.contains("does not say that it has written"), "{}", failure.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_what_the_sink_would_get_and_leaves_no_trace() {
    let (hub, _folder, mut spec) = sink_with_letters().await;
    let suffix = [("transforms", "t"), ("transforms.t.type", transformation::CLASS), ("transforms.t.suffix", "!")];
    spec.connector_config.extend(config(&suffix));
    let before = hub.target.0.look(|state| state.deliveries.len());
    let letters = letters(&hub).await;
    let outcomes = hub.worker.redrive(spec, letters.clone(), RedriveMode::DryRun).await.unwrap();
    let LetterOutcome::Preview { records } = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!((records[0]["topic"].as_str(), records[0]["value"]["payload"].as_str()), (Some("numbers"), Some("b!")));
    assert_eq!(hub.target.0.look(|state| state.deliveries.len()), before);
    assert_eq!(state(&hub, &letters[0]), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sources_letter_is_appended_with_its_end_and_passes_the_chain_as_it_is_now() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.give(3, 3);
    let refusing = [("transforms", "t"), ("transforms.t.type", transformation::CLASS), ("transforms.t.refuse", "n-1")];
    hub.run(source_spec(&[&TOLERANT[..], &refusing].concat())).await;
    hub.counter.until_committed(3).await;
    let letters = letters(&hub).await;
    let failed = hub.worker.redrive(source_spec(&refusing), letters.clone(), RedriveMode::Deliver).await.unwrap();
    assert!(matches!(&failed[0], LetterOutcome::Failed { stage, .. } if stage == "TRANSFORMATION"), "{failed:?}");
    let suffix = [("transforms", "t"), ("transforms.t.type", transformation::CLASS), ("transforms.t.suffix", "!")];
    let delivered = hub.worker.redrive(source_spec(&suffix), letters.clone(), RedriveMode::Deliver).await.unwrap();
    assert_eq!(delivered, [LetterOutcome::Delivered { records: 1 }]);
    assert_eq!(values(&hub.read("numbers", 0).await), ["n-0", "n-2", "n-1!"]);
    assert_eq!(state(&hub, &letters[0]), Some(RedriveState::Delivered));
}
