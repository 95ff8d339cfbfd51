//! The script: `rest/*.http`, in the order of their names.
//!
//! ```text
//! ### a sentence that names the step
//! @file in.txt one two           a file in the run's folder, one word a line; @append adds to it
//! @until GET /path 200 /a/0=x !/b    asked again until status and members of the answer are so; when the step asks
//!                                the same, that answer is its answer
//! @settled                       every connector runs, is paused or stopped, and nothing of it is on its way
//! @times 8                       the request is sent so often at once
//! @with PUT /path {"a": 1}       this one is sent at the same time
//! @only status                   of an answer that depends on who was first, only this is compared
//! @among 201 409                 answers that depend on who was first have one of these statuses; nothing else is compared
//! @once                          a conflict with a rebalance is an answer too
//! PUT /connectors/a/config
//! Header: value
//!
//! the body
//! ```
//! `{{dir}}` stands for the run's folder everywhere.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// One request as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

/// What is waited for before a step: one more request, and what its answer must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub request: Request,
    pub expected: Vec<Expected>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    Status(u16),
    /// A member of the body, by its JSON pointer, as text.
    Is {
        pointer: String,
        text: String,
    },
    Exists {
        pointer: String,
    },
    Absent {
        pointer: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileWrite {
    pub name: String,
    pub lines: Vec<String>,
    pub append: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `<file>/<sentence>`, unique.
    pub id: String,
    pub files: Vec<FileWrite>,
    pub until: Vec<Condition>,
    /// All sent at once when there are several.
    pub requests: Vec<Request>,
    /// Bodies depend on the order in which the requests arrive.
    pub only_status: bool,
    /// Even statuses depend on it: all that may be. Empty: they do not.
    pub among: Vec<u16>,
    /// Every connector is to be settled first.
    pub settled: bool,
    /// Nobody waits for a rebalance to end.
    pub once: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub steps: Vec<Step>,
}

impl Script {
    /// Reads every `*.http` of the crate's folder `rest`.
    ///
    /// # Errors
    /// The file and what is wrong in it; a sentence that stands twice.
    pub fn read() -> Result<Script> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rest");
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "http"));
        files.sort();
        let mut steps: Vec<Step> = Vec::new();
        for file in files {
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let name = file.file_stem().and_then(|name| name.to_str()).context("a file has a name")?;
            let name = name.split_once('-').map_or(name, |(_, topic)| topic);
            for step in parse(name, &text).with_context(|| format!("in {}", file.display()))? {
                if steps.iter().any(|other| other.id == step.id) {
                    bail!("the step {:?} stands twice", step.id);
                }
                steps.push(step);
            }
        }
        Ok(Script { steps })
    }

    /// How many requests it sends, without those that wait.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.steps.iter().map(|step| step.requests.len()).sum()
    }
}

fn parse(topic: &str, text: &str) -> Result<Vec<Step>> {
    let sections = format!("\n{text}");
    let sections = sections.split("\n### ").skip(1);
    sections.map(|section| parse_step(topic, section)).collect()
}

fn parse_step(topic: &str, section: &str) -> Result<Step> {
    let mut lines = section.lines();
    let sentence = lines.next().unwrap_or_default();
    let mut step = Step {
        id: format!("{topic}/{sentence}"),
        files: Vec::new(),
        until: Vec::new(),
        requests: Vec::new(),
        only_status: false,
        among: Vec::new(),
        settled: false,
        once: false,
    };
    let (mut times, mut beside) = (1, Vec::new());
    let request_line = loop {
        let line = lines.next().with_context(|| format!("{:?} has no request", step.id))?;
        let Some(directive) = line.strip_prefix('@') else { break line };
        let (name, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        match name {
            "file" | "append" => step.files.push(file_write(rest, name == "append")?),
            "until" => step.until.push(condition(rest)?),
            "times" => times = rest.parse().with_context(|| format!("@times {rest}"))?,
            "with" => beside.push(beside_request(rest)?),
            "only" if rest == "status" => step.only_status = true,
            "among" => step.among = rest.split(' ').map(str::parse).collect::<Result<_, _>>()?,
            "settled" => step.settled = true,
            "once" => step.once = true,
            _ => bail!("{:?}: no such directive: {line}", step.id),
        }
    };
    let request = parse_request(request_line, &mut lines)?;
    step.requests = vec![request; times];
    step.requests.extend(beside);
    Ok(step)
}

fn parse_request<'a>(line: &str, lines: &mut impl Iterator<Item = &'a str>) -> Result<Request> {
    let (method, path) = line.split_once(' ').with_context(|| format!("no request line: {line:?}"))?;
    let mut headers = Vec::new();
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").with_context(|| format!("no header: {line:?}"))?;
        headers.push((name.to_owned(), value.to_owned()));
    }
    let body = lines.collect::<Vec<_>>().join("\n");
    let body = body.trim_end_matches('\n');
    let body = (!body.is_empty()).then(|| body.to_owned());
    Ok(Request { method: method.to_owned(), path: path.to_owned(), headers, body })
}

fn file_write(rest: &str, append: bool) -> Result<FileWrite> {
    let mut words = rest.split(' ').map(str::to_owned);
    let name = words.next().filter(|name| !name.is_empty()).context("a file needs a name")?;
    Ok(FileWrite { name, lines: words.collect(), append })
}

fn bare(method: &str, path: &str, body: Option<String>) -> Request {
    Request { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body }
}

/// `METHOD path body`
fn beside_request(rest: &str) -> Result<Request> {
    let (method, rest) = rest.split_once(' ').with_context(|| format!("@with {rest}"))?;
    let (path, body) = rest.split_once(' ').map_or((rest, None), |(path, body)| (path, Some(body.to_owned())));
    Ok(bare(method, path, body))
}

/// `METHOD path expectation…`
fn condition(rest: &str) -> Result<Condition> {
    let mut words = rest.split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else { bail!("@until {rest}") };
    let expected = words.map(|word| {
        if let Ok(status) = word.parse() {
            return Expected::Status(status);
        }
        if let Some(pointer) = word.strip_prefix('!') {
            return Expected::Absent { pointer: pointer.to_owned() };
        }
        match word.split_once('=') {
            Some((pointer, text)) => Expected::Is { pointer: pointer.to_owned(), text: text.to_owned() },
            None => Expected::Exists { pointer: word.to_owned() },
        }
    });
    Ok(Condition { request: bare(method, path, None), expected: expected.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_with_all_that_can_stand_in_it() {
        let text = "### a sentence\n@file a.txt x y\n@until GET /a 200 /b/0=c !/d /e\n@times 2\n@with PUT /f {\"g\": 1}\n@only status\n@among 200 409\n@settled\n@once\nPOST /h?i=j\nAccept: k\n\n{\n  \"l\": 2\n}\n\n### the next\nGET /\n";
        let steps = parse("topic", text).unwrap();
        let post = Request {
            method: "POST".to_owned(),
            path: "/h?i=j".to_owned(),
            headers: vec![("Accept".to_owned(), "k".to_owned())],
            body: Some("{\n  \"l\": 2\n}".to_owned()),
        };
        let expected = Step {
            id: "topic/a sentence".to_owned(),
            files: vec![FileWrite {
                name: "a.txt".to_owned(),
                lines: vec!["x".to_owned(), "y".to_owned()],
                append: false,
            }],
            until: vec![Condition {
                request: bare("GET", "/a", None),
                expected: vec![
                    Expected::Status(200),
                    Expected::Is { pointer: "/b/0".to_owned(), text: "c".to_owned() },
                    Expected::Absent { pointer: "/d".to_owned() },
                    Expected::Exists { pointer: "/e".to_owned() },
                ],
            }],
            requests: vec![post.clone(), post, bare("PUT", "/f", Some("{\"g\": 1}".to_owned()))],
            only_status: true,
            among: vec![200, 409],
            settled: true,
            once: true,
        };
        assert_eq!(steps[0], expected);
        assert_eq!(steps[1].requests, [bare("GET", "/", None)]);
    }

    #[test]
    fn the_script_asks_more_than_three_hundred_times() {
        let script = Script::read().unwrap();
        assert!(script.steps.len() >= 300, "{} steps", script.steps.len());
    }

    #[test]
    fn a_word_that_is_no_directive_is_refused() {
        assert!(parse("topic", "### a\n@often\nGET /\n").is_err());
    }
}
