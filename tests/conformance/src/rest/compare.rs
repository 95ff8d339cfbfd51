//! Two runs held against each other.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::recording::{Recorded, Recording};

/// One place in which two answers differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    pub step: String,
    /// `status`, `header <name>`, `answers`, or the JSON pointer into the body behind `body`.
    pub part: String,
    /// `None`: it is not there.
    pub kafka: Option<Value>,
    pub ours: Option<Value>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| match value {
            Some(value) => value.to_string(),
            None => "(nothing)".to_owned(),
        };
        let Mismatch { step, part, kafka, ours } = self;
        write!(f, "{step}: {part}\n    kafka: {}\n    ours:  {}", shown(kafka), shown(ours))
    }
}

/// Every difference between two runs of one script.
#[must_use]
pub fn compare(kafka: &Recording, ours: &Recording) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    let of_ours: BTreeMap<&str, &Recorded> = ours.steps.iter().map(|step| (step.step.as_str(), step)).collect();
    for step in &kafka.steps {
        match of_ours.get(step.step.as_str()) {
            Some(other) => compare_step(step, other, &mut mismatches),
            None => mismatches.push(mismatch(&step.step, "step", Some(Value::Bool(true)), None)),
        }
    }
    let of_kafka: Vec<&str> = kafka.steps.iter().map(|step| step.step.as_str()).collect();
    for step in ours.steps.iter().filter(|step| !of_kafka.contains(&step.step.as_str())) {
        mismatches.push(mismatch(&step.step, "step", None, Some(Value::Bool(true))));
    }
    mismatches
}

fn compare_step(kafka: &Recorded, ours: &Recorded, mismatches: &mut Vec<Mismatch>) {
    let step = &kafka.step;
    let count = |recorded: &Recorded| Some(Value::from(recorded.answers.len()));
    if kafka.answers.len() != ours.answers.len() {
        mismatches.push(mismatch(step, "answers", count(kafka), count(ours)));
        return;
    }
    for (theirs, ours) in kafka.answers.iter().zip(&ours.answers) {
        if theirs.status != ours.status {
            mismatches.push(mismatch(step, "status", Some(theirs.status.into()), Some(ours.status.into())));
        }
        let names = theirs.headers.keys().chain(ours.headers.keys().filter(|name| !theirs.headers.contains_key(*name)));
        for name in names {
            let value = |answer: &super::Answer| answer.headers.get(name).map(|value| Value::from(value.as_str()));
            if value(theirs) != value(ours) {
                mismatches.push(mismatch(step, &format!("header {name}"), value(theirs), value(ours)));
            }
        }
        compare_json(step, "body", Some(&theirs.body), Some(&ours.body), mismatches);
    }
}

fn compare_json(step: &str, at: &str, kafka: Option<&Value>, ours: Option<&Value>, mismatches: &mut Vec<Mismatch>) {
    match (kafka, ours) {
        (Some(Value::Object(theirs)), Some(Value::Object(ours))) => {
            let names = theirs.keys().chain(ours.keys().filter(|name| !theirs.contains_key(*name)));
            for name in names {
                compare_json(step, &format!("{at}/{name}"), theirs.get(name), ours.get(name), mismatches);
            }
        }
        (Some(Value::Array(theirs)), Some(Value::Array(ours))) if theirs.iter().chain(ours).all(Value::is_string) => {
            let missing =
                theirs.iter().filter(|item| !ours.contains(item)).map(|item| (item, Some(item.clone()), None));
            let added = ours.iter().filter(|item| !theirs.contains(item)).map(|item| (item, None, Some(item.clone())));
            for (item, kafka, ours) in missing.chain(added) {
                mismatches.push(mismatch(step, &format!("{at}/{}", item.as_str().unwrap_or_default()), kafka, ours));
            }
        }
        (Some(Value::Array(theirs)), Some(Value::Array(ours))) => {
            for index in 0..theirs.len().max(ours.len()) {
                compare_json(step, &format!("{at}/{index}"), theirs.get(index), ours.get(index), mismatches);
            }
        }
        (kafka, ours) if kafka != ours => {
            mismatches.push(mismatch(step, at, kafka.cloned(), ours.cloned()));
        }
        _ => {}
    }
}

fn mismatch(step: &str, part: &str, kafka: Option<Value>, ours: Option<Value>) -> Mismatch {
    Mismatch { step: step.to_owned(), part: part.to_owned(), kafka, ours }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::{Answer, Names};
    use serde_json::json;

    fn run(status: u16, header: (&str, &str), body: &Value) -> Recording {
        let mut run = Recording::default();
        let headers = vec![(header.0.to_owned(), header.1.to_owned())];
        run.add("a/b", vec![Answer::new(status, headers, &body.to_string(), &Names::new("/none", "none:0"))]);
        run
    }

    #[test]
    fn each_place_that_differs_is_named() {
        let theirs = run(200, ("location", "x"), &json!({"same": 1, "a": [1, 2], "gone": true}));
        let ours = run(201, ("location", "y"), &json!({"same": 1, "a": [1, 3, 4], "new": null}));
        let parts: Vec<String> = compare(&theirs, &ours).into_iter().map(|mismatch| mismatch.part).collect();
        assert_eq!(parts, ["status", "header location", "body/a/1", "body/a/2", "body/gone", "body/new"]);
        assert_eq!(compare(&theirs, &theirs), []);
    }

    #[test]
    fn of_lists_of_texts_what_only_one_side_has_counts() {
        let (theirs, ours) = (run(200, ("a", "b"), &json!(["x", "y"])), run(200, ("a", "b"), &json!(["y", "z"])));
        let parts: Vec<String> = compare(&theirs, &ours).into_iter().map(|mismatch| mismatch.part).collect();
        assert_eq!(parts, ["body/x", "body/z"]);
    }

    #[test]
    fn a_step_that_only_one_run_has_is_a_difference() {
        let run = run(200, ("a", "b"), &json!(1));
        assert_eq!(compare(&run, &Recording::default()).len(), 1);
        assert_eq!(compare(&Recording::default(), &run).len(), 1);
    }
}
