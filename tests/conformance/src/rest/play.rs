//! Asks a server the whole script.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sluice_harness::until;
use tokio::net::TcpStream;

use super::answer::{Answer, Names};
use super::recording::Recording;
use super::script::{Condition, Expected, FileWrite, Request, Script, Step};

/// How long a server may take to reach the state that a step waits for.
const STATE_LIMIT: Duration = Duration::from_secs(60);
/// A connection is made for each request, and a request that hangs is an answer too: none.
const REQUEST_LIMIT: Duration = Duration::from_secs(100);

/// Status, headers, body.
type Raw = (u16, Vec<(String, String)>, String);

/// A server that is to be asked, and the folder of its files.
#[derive(Debug, Clone)]
pub struct Server {
    /// `host:port`
    pub address: String,
    /// Files of the script lie here; `{{dir}}` in it.
    pub folder: PathBuf,
    pub names: Names,
}

impl Server {
    #[must_use]
    pub fn new(address: &str, folder: PathBuf) -> Server {
        let names = Names::new(&folder.to_string_lossy(), address);
        Server { address: address.to_owned(), folder, names }
    }
}

/// All answers to the script, in its order.
///
/// # Errors
/// When the server cannot be reached, or a state that a step waits for does not come.
pub async fn play(script: &Script, server: &Server) -> Result<Recording> {
    let mut answers = Recording::default();
    for step in &script.steps {
        let given = play_step(step, server).await.with_context(|| format!("at {:?}", step.id))?;
        answers.add(&step.id, given);
    }
    Ok(answers)
}

async fn play_step(step: &Step, server: &Server) -> Result<Vec<Answer>> {
    for file in &step.files {
        write(file, server)?;
    }
    if step.settled {
        settle(server).await?;
    }
    let mut seen = None;
    for condition in &step.until {
        seen = Some((&condition.request, wait(condition, server).await?));
    }
    // What was waited for may be on its way again a moment later: a restart that was asked for is not yet begun.
    if let ([request], Some((waited_for, answer))) = (step.requests.as_slice(), seen)
        && request == waited_for
    {
        return Ok(vec![judged(step, answer, server)?]);
    }
    let sent = step.requests.iter().map(|request| async move {
        let answer = if step.once { send(request, server).await? } else { send_patiently(request, server).await? };
        judged(step, answer, server)
    });
    let mut answers = try_join_all(sent).await?;
    // Who was first is nobody's promise.
    answers.sort_by_key(|answer| (answer.status, answer.body.to_string()));
    Ok(answers)
}

/// The answer as far as it does not depend on who was first.
fn judged(step: &Step, (status, headers, body): Raw, server: &Server) -> Result<Answer> {
    if !step.among.is_empty() {
        if !step.among.contains(&status) {
            bail!("{status} is not among {:?}: {body}", step.among);
        }
        return Ok(Answer::new(step.among[0], Vec::new(), "", &server.names));
    }
    let body = if step.only_status { "" } else { body.as_str() };
    Ok(Answer::new(status, headers, body, &server.names))
}

/// Waits until nothing is on its way: what runs has tasks, and no task is between two states.
async fn settle(server: &Server) -> Result<()> {
    let request =
        Request { method: "GET".into(), path: "/connectors?expand=status".into(), headers: Vec::new(), body: None };
    until("settled connectors", STATE_LIMIT, || async {
        let (status, _, body) = send(&request, server).await?;
        let all: Value = serde_json::from_str(&body).unwrap_or_default();
        let is_settled = |one: &Value| {
            let state = one.pointer("/status/connector/state").and_then(Value::as_str).unwrap_or_default();
            let tasks = one.pointer("/status/tasks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let is_still = |task: &Value| task["state"] == state || task["state"] == "FAILED";
            match state {
                "RUNNING" => !tasks.is_empty() && tasks.iter().all(is_still),
                "PAUSED" | "STOPPED" | "FAILED" => tasks.iter().all(is_still),
                _ => false,
            }
        };
        let is_so = status == 200 && all.as_object().is_some_and(|all| all.values().all(is_settled));
        if is_so { Ok(()) } else { bail!("{body}") }
    })
    .await
}

fn write(file: &FileWrite, server: &Server) -> Result<()> {
    let path = server.folder.join(&file.name);
    fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
    let mut out = OpenOptions::new().create(true).write(true).append(file.append).truncate(!file.append).open(&path)?;
    for line in &file.lines {
        writeln!(out, "{}", with_folder(line, server))?;
    }
    Ok(())
}

/// The first answer that is as expected.
async fn wait(condition: &Condition, server: &Server) -> Result<Raw> {
    let Request { method, path, .. } = &condition.request;
    until(&format!("{method} {path} {:?}", condition.expected), STATE_LIMIT, || async {
        let (status, headers, body) = send(&condition.request, server).await?;
        let json: Value = serde_json::from_str(&body).unwrap_or_default();
        let is_so = |expected: &Expected| match expected {
            Expected::Status(wanted) => status == *wanted,
            Expected::Is { pointer, text } => json.pointer(pointer).is_some_and(|value| plain(value) == *text),
            Expected::Exists { pointer } => json.pointer(pointer).is_some(),
            Expected::Absent { pointer } => json.pointer(pointer).is_none(),
        };
        if condition.expected.iter().all(is_so) { Ok((status, headers, body)) } else { bail!("{status} {body}") }
    })
    .await
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A worker of Kafka answers 409 while its group rebalances, which clients wait out; where its handler does not map
/// `RebalanceNeededException`, as for `GET /connectors/NAME`, it is a 500 with the same words.
async fn send_patiently(request: &Request, server: &Server) -> Result<Raw> {
    until("an answer that is no conflict with a rebalance", STATE_LIMIT, || async {
        let answer = send(request, server).await?;
        let is_rebalance = ["rebalance", "momentarily", "stale"].iter().any(|word| answer.2.contains(word));
        if matches!(answer.0, 409 | 500) && is_rebalance { bail!("{}", answer.2) } else { Ok(answer) }
    })
    .await
}

async fn send(request: &Request, server: &Server) -> Result<Raw> {
    tokio::time::timeout(REQUEST_LIMIT, exchange(request, server)).await.context("no answer in time")?
}

/// Over hyper itself: a URL type would tidy up the odd paths that are the point of some steps.
async fn exchange(request: &Request, server: &Server) -> Result<Raw> {
    let stream = TcpStream::connect(&server.address).await.context("cannot connect")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut builder = hyper::Request::builder()
        .method(request.method.as_str())
        .uri(with_folder(&request.path, server))
        .header("host", &server.address);
    let names_type = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if request.body.is_some() && !names_type {
        builder = builder.header("content-type", "application/json");
    }
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let body = request.body.as_deref().map(|body| with_folder(body, server)).unwrap_or_default();
    let response = sender.send_request(builder.body(Full::new(Bytes::from(body)))?).await.context("no answer")?;
    let (head, body) = response.into_parts();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let headers = headers.collect();
    let body = body.collect().await.context("the answer was cut off")?.to_bytes();
    connection.abort();
    Ok((head.status.as_u16(), headers, String::from_utf8_lossy(&body).into_owned()))
}

fn with_folder(text: &str, server: &Server) -> String {
    text.replace("{{dir}}", &server.folder.to_string_lossy())
}
