//! Every transformation on generated records, Kafka's and ours.

use anyhow::Result;
use serde_json::json;
use sluice_conformance::choices::{extent, seed};
use sluice_conformance::generate::{CLASSES, Case};
use sluice_conformance::peer::{Peer, peer_or_skip};
use sluice_conformance::report::Report;
use sluice_conformance::{Choices, Outcome, allowed, rows};
use sluice_connect_api::PluginRegistry;

const RECORDS_PER_CASE: usize = 24;

fn outcomes(peer: &mut Peer, case: &Case) -> Result<Vec<Outcome>> {
    let answer = peer.ask(&case.question())?;
    if let Some(error) = answer.get("config_error") {
        let error = error.as_str().unwrap_or_default().to_owned();
        return Ok(vec![Outcome::Config(error); case.records.len()]);
    }
    let records = answer["records"].as_array().expect("an answer has records");
    Ok(records.iter().map(Outcome::of_java).collect())
}

#[test]
fn transformations_do_what_kafkas_do() -> Result<()> {
    let Some(mut peer) = peer_or_skip("transformations_do_what_kafkas_do") else { return Ok(()) };
    let registry = PluginRegistry::default();
    sluice_transforms::register(&registry);
    let seed = seed();
    let mut choices = Choices::new(seed);
    let mut report = Report::default();
    for number in 0..extent(10, 150) * CLASSES.len() {
        let case = Case::new(CLASSES[number % CLASSES.len()], &mut choices, RECORDS_PER_CASE);
        let java = outcomes(&mut peer, &case)?;
        let ours = rows::transformed(&registry, &case);
        allowed::compare(&case, &java, &ours, &mut report);
    }
    assert!(report.valued * 3 > report.compared, "too few cases say anything: {report:?}");
    report.finish("transformations", seed);
    Ok(())
}

#[test]
fn predicates_answer_as_kafkas_do() -> Result<()> {
    let Some(mut peer) = peer_or_skip("predicates_answer_as_kafkas_do") else { return Ok(()) };
    let registry = PluginRegistry::default();
    sluice_transforms::register(&registry);
    let seed = seed();
    let mut choices = Choices::new(seed);
    let mut report = Report::default();
    for _ in 0..extent(30, 300) {
        let (class, key, values): (_, _, &[&str]) = match choices.below(3) {
            0 => ("HasHeaderKey", "name", &["h", "i", "x", ""]),
            1 => ("RecordIsTombstone", "any", &["x"]),
            _ => {
                ("TopicNameMatches", "pattern", &["orders", "o.*", ".*", "te|test", "(", "[a-z]+_\\d", "", "\\$\\{.*"])
            }
        };
        let mut case = Case::new("Filter", &mut choices, RECORDS_PER_CASE);
        case.config.clear();
        if choices.percent(95) {
            case.config.insert(key.to_owned(), choices.pick(values).to_owned());
        }
        let mut question = case.question();
        question["kind"] = json!("predicate");
        question["class"] = json!(class);
        let answer = peer.ask(&question)?;
        let batch = rows::batch_of(&case);
        let ours = registry.predicate(class, &case.config);
        report.compared += case.records.len();
        let is_same = match (answer["records"].as_array(), &ours) {
            (Some(java), Ok(ours)) => {
                report.valued += case.records.len();
                let ours: Vec<_> = ours.test(&batch).values().iter().map(|answer| json!(answer)).collect();
                *java == ours
            }
            (None, Err(_)) => true,
            _ => false,
        };
        if !is_same {
            let error = ours.err();
            report.differ(class, || format!("{:?}\n  kafka {answer}\n  ours  {error:?}", case.config));
        }
    }
    report.finish("predicates", seed);
    Ok(())
}
