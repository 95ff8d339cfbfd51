//! The http capability against a real server.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response as Answer};
use axum::routing::{any, get, post};
use sluice_capability::bindings::errors::Error;
use sluice_capability::bindings::writers::HostOutput;
use sluice_capability::{Capability, Ceiling, Grants, GuestIdentity, GuestState, Named};
use sluice_capability_http::bindings::sluice::http::http::{Host, HostResponse, Request};
use sluice_capability_http::{HttpCapability, Response};
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use wasmtime::component::Resource;

type Seen = mpsc::UnboundedSender<String>;

/// A server on a free port; what it saw of uploads comes through the channel.
async fn serve() -> (u16, mpsc::UnboundedReceiver<String>) {
    let (seen, uploads) = mpsc::unbounded_channel();
    let routes = Router::new()
        .route("/base/echo", any(echo))
        .route("/echo", any(echo))
        .route("/to", any(redirect))
        .route("/to-307", any(|uri: Uri| async move { Redirect::temporary(uri.query().unwrap_or_default()) }))
        .route("/loop", any(|| async { Redirect::temporary("/loop") }))
        .route("/long", get(|| async { "x".repeat(100_000) }))
        .route("/never", get(std::future::pending::<()>))
        .route("/broken", get(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "no") }))
        .route("/refuse", post(|| async { (StatusCode::PAYLOAD_TOO_LARGE, "too much") }))
        .route("/upload", post(upload))
        .with_state(seen);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (port, uploads)
}

async fn echo(method: axum::http::Method, headers: HeaderMap, body: String) -> String {
    let authorization = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    format!("{method} {} {body}", authorization.unwrap_or_else(|| "nobody".into()))
}

async fn redirect(uri: Uri) -> Answer {
    (StatusCode::FOUND, [(header::LOCATION, uri.query().unwrap_or_default().to_owned())]).into_response()
}

async fn upload(State(seen): State<Seen>, body: Body) -> String {
    let outcome = match to_bytes(body, usize::MAX).await {
        Ok(bytes) => format!("{} bytes", bytes.len()),
        Err(_) => "broken off".to_owned(),
    };
    seen.send(outcome.clone()).unwrap();
    outcome
}

fn ceiling(hosts: Option<&[&str]>) -> Ceiling {
    let hosts = hosts.map(|hosts| hosts.iter().map(|host| (*host).to_owned()).collect());
    Ceiling(hosts.map(|hosts| ("hosts".to_owned(), hosts)).into_iter().collect())
}

fn named(settings: &[(&str, &str)]) -> Named {
    Named(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn guest(ceiling: &Ceiling, grants: Vec<(&str, Named)>) -> GuestState {
    let identity = GuestIdentity { connector: "hooks".into(), ..GuestIdentity::default() };
    let named = grants.into_iter().map(|(name, named)| (name.to_owned(), named)).collect::<BTreeMap<_, _>>();
    let prepared = HttpCapability::new(ceiling).prepare(&identity, &Grants { named }).unwrap();
    let mut state = GuestState::new(identity, Box::new(()));
    state.grant("http", prepared);
    state
}

/// May reach the server on this machine.
fn local(port: u16) -> GuestState {
    let url = format!("http://127.0.0.1:{port}/base");
    guest(
        &ceiling(Some(&["127.0.0.1"])),
        vec![("default", named(&[("url", &url), ("user", "ann"), ("password", "pw:1")]))],
    )
}

fn request(method: &str, url: &str) -> Request {
    Request { method: method.into(), url: url.into(), headers: vec![], timeout_ms: 10_000, credential: None }
}

async fn text(state: &mut GuestState, response: Resource<Response>) -> String {
    state.text(response, 1 << 20).await.unwrap().unwrap()
}

#[track_caller]
fn code<T>(answer: wasmtime::Result<Result<T, Error>>) -> String {
    match answer.expect("no trap") {
        Ok(_) => panic!("must be refused"),
        Err(Error::Rejected(details) | Error::Retriable(details) | Error::Fatal(details)) => details.code,
    }
}

#[test]
fn every_function_has_a_place_on_the_linker() {
    let mut linker = wasmtime::component::Linker::new(&wasmtime::Engine::default());
    HttpCapability::new(&Ceiling::default()).link(&mut linker).unwrap();
}

#[tokio::test]
async fn paths_go_below_the_endpoint_with_the_hosts_credentials() {
    let (port, _) = serve().await;
    let mut state = local(port);
    let mut with = request("post", "echo");
    with.credential = Some("default".into());
    let answer = state.send(with, Some(b"hello".to_vec())).await.unwrap().unwrap();
    assert_eq!(state.status(Resource::new_borrow(answer.rep())).await.unwrap(), 200);
    // ann:pw:1
    assert_eq!(text(&mut state, answer).await, "POST Basic YW5uOnB3OjE= hello");
    let absolute = format!("http://127.0.0.1:{port}/echo");
    let answer = state.send(request("GET", &absolute), None).await.unwrap().unwrap();
    assert_eq!(text(&mut state, answer).await, "GET nobody ");
    let broken = format!("http://127.0.0.1:{port}/broken");
    let answer = state.send(request("GET", &broken), None).await.unwrap().unwrap();
    assert_eq!(state.status(answer).await.unwrap(), 500, "a status is an answer");
}

#[tokio::test]
async fn credentials_in_the_url_and_tokens_become_headers() {
    let (port, _) = serve().await;
    let url = format!("http://bob:s%40crit@127.0.0.1:{port}");
    let token = named(&[("url", &format!("http://127.0.0.1:{port}")), ("bearer", "t0k3n")]);
    let mut state = guest(&ceiling(Some(&["127.0.0.1"])), vec![("default", named(&[("url", &url)])), ("hook", token)]);
    for (name, expected) in [("default", "GET Basic Ym9iOnNAY3JpdA== "), ("hook", "GET Bearer t0k3n ")] {
        let asked = Request { credential: Some(name.into()), ..request("GET", "/echo") };
        let answer = state.send(asked, None).await.unwrap().unwrap();
        assert_eq!(text(&mut state, answer).await, expected);
    }
}

#[tokio::test]
async fn only_granted_endpoints_are_reached() {
    let (port, _) = serve().await;
    let (other, _) = serve().await;
    let mut state = local(port);
    for url in [
        format!("http://127.0.0.1:{other}/echo"),
        format!("https://127.0.0.1:{port}/echo"),
        format!("http://localhost:{port}/echo"),
        format!("http://127.0.0.1:{port}@example.com/"),
        "http://example.com/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "gopher://127.0.0.1/".to_owned(),
    ] {
        assert_eq!(code(state.send(request("GET", &url), None).await), "not-granted", "{url}");
    }
    for path in ["//example.com/x", "/\\example.com/x", "example.com"] {
        let answer = state.send(request("GET", path), None).await.unwrap().unwrap();
        assert_eq!(state.status(answer).await.unwrap(), 404, "{path} stays a path of the endpoint");
    }
    let unknown = Request { credential: Some("none".into()), ..request("GET", "echo") };
    assert_eq!(code(state.send(unknown, None).await), "not-granted");
    let mut ungranted = GuestState::new(GuestIdentity::default(), Box::new(()));
    assert_eq!(code(ungranted.send(request("GET", "http://example.com"), None).await), "not-granted");
}

#[tokio::test]
async fn a_name_that_resolves_to_this_machine_is_refused() {
    let (port, _) = serve().await;
    let url = format!("http://localhost:{port}");
    // Nothing in the name says where it leads: the resolver finds out.
    let mut state = guest(&ceiling(None), vec![("default", named(&[("url", &url)]))]);
    assert_eq!(code(state.send(request("GET", "/echo"), None).await), "not-granted");
    assert_eq!(code(finish(&mut state, request("POST", "/upload")).await), "not-granted");
    let mut named_host = guest(&ceiling(Some(&["localhost"])), vec![("default", named(&[("url", &url)]))]);
    let answer = named_host.send(request("GET", "/echo"), None).await.unwrap().unwrap();
    assert_eq!(text(&mut named_host, answer).await, "GET nobody ");
}

async fn finish(state: &mut GuestState, request: Request) -> wasmtime::Result<Result<String, Error>> {
    let output = state.send_streaming(request).await.unwrap().unwrap();
    HostOutput::finish(state, output).await
}

#[test]
fn denied_endpoints_are_refused_when_the_connector_is_made() {
    for url in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/",
        "ftp://example.com/",
        "no url",
    ] {
        let grants = Grants { named: BTreeMap::from([("default".to_owned(), named(&[("url", url)]))]) };
        assert!(HttpCapability::new(&ceiling(None)).prepare(&GuestIdentity::default(), &grants).is_err(), "{url}");
    }
}

#[tokio::test]
async fn every_redirect_is_checked_again() {
    let (port, _) = serve().await;
    let mut state = local(port);
    let to = |target: &str| request("GET", &format!("http://127.0.0.1:{port}/to?{target}"));
    let answer = state.send(to("/echo"), None).await.unwrap().unwrap();
    assert_eq!(text(&mut state, answer).await, "GET nobody ");
    for target in [
        "http://169.254.169.254/latest/meta-data",
        "http://2852039166/",
        "http://[::ffff:169.254.169.254]/",
        "http://localhost/",
        "//example.com/",
        "file:///etc/passwd",
    ] {
        assert_eq!(code(state.send(to(target), None).await), "not-granted", "{target}");
    }
    let circle = request("GET", &format!("http://127.0.0.1:{port}/loop"));
    assert_eq!(code(state.send(circle, None).await), "http.too-many-redirects");
}

#[tokio::test]
async fn a_redirect_keeps_body_and_credentials_only_where_it_may() {
    let (port, _) = serve().await;
    let (other, _) = serve().await;
    let grants = |port: u16| named(&[("url", &format!("http://127.0.0.1:{port}")), ("bearer", "t")]);
    let mut state = guest(&ceiling(Some(&["127.0.0.1"])), vec![("default", grants(port)), ("other", grants(other))]);
    let mut ask = async |url: String| {
        let asked = Request { credential: Some("default".into()), ..request("POST", &url) };
        let answer = state.send(asked, Some(b"body".to_vec())).await.unwrap().unwrap();
        text(&mut state, answer).await
    };
    assert_eq!(ask(format!("/to-307?http://127.0.0.1:{port}/echo")).await, "POST Bearer t body");
    assert_eq!(ask(format!("/to?http://127.0.0.1:{port}/echo")).await, "GET Bearer t ");
    assert_eq!(ask(format!("/to?http://127.0.0.1:{other}/echo")).await, "GET nobody ");
    let misused =
        Request { credential: Some("default".into()), ..request("GET", &format!("http://127.0.0.1:{other}/echo")) };
    assert_eq!(code(state.send(misused, None).await), "not-granted");
}

#[tokio::test]
async fn bodies_are_read_in_pieces_and_bounded() {
    let (port, _) = serve().await;
    let mut state = local(port);
    let long = || request("GET", &format!("http://127.0.0.1:{port}/long"));
    let answer = state.send(long(), None).await.unwrap().unwrap();
    let mut total = 0;
    loop {
        let piece = state.read(Resource::new_borrow(answer.rep()), 1000).await.unwrap().unwrap();
        assert!(piece.len() <= 1000);
        if piece.is_empty() {
            break;
        }
        total += piece.len();
    }
    assert_eq!(total, 100_000);
    let answer = state.send(long(), None).await.unwrap().unwrap();
    assert_eq!(code(state.text(answer, 99_999).await), "http.body-too-large");
    let answer = state.send(long(), None).await.unwrap().unwrap();
    assert_eq!(state.text(answer, 100_000).await.unwrap().unwrap().len(), 100_000);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_left() {
    let (port, _) = serve().await;
    let mut state = local(port);
    let slow = Request { timeout_ms: 20, ..request("GET", &format!("http://127.0.0.1:{port}/never")) };
    assert_eq!(code(state.send(slow, None).await), "http.timeout");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap().port();
    drop(listener);
    let mut state = local(closed);
    assert_eq!(code(state.send(request("GET", "echo"), None).await), "http.connect");
}

#[tokio::test]
async fn what_a_request_must_not_say_is_refused() {
    let (port, _) = serve().await;
    let mut state = local(port);
    for (name, value) in [("Host", "evil"), ("content-length", "1"), ("x\ny", "1"), ("x", "a\r\nb: c"), ("", "x")] {
        let asked = Request { headers: vec![(name.into(), value.into())], ..request("GET", "echo") };
        assert_eq!(code(state.send(asked, None).await), "http.bad-header", "{name}");
    }
    for method in ["CONNECT", "TRACE", "G ET", ""] {
        assert_eq!(code(state.send(request(method, "echo"), None).await), "http.bad-method", "{method}");
    }
    assert_eq!(code(state.send(request("GET", "http://[bad"), None).await), "http.bad-url");
}

#[tokio::test]
async fn a_streamed_body_arrives_whole_or_is_broken_off() {
    let (port, mut uploads) = serve().await;
    let mut state = local(port);
    let upload = || request("POST", &format!("http://127.0.0.1:{port}/upload"));
    let output = state.send_streaming(upload()).await.unwrap().unwrap();
    for _ in 0..100 {
        HostOutput::write(&mut state, Resource::new_borrow(output.rep()), vec![7; 10_000]).await.unwrap().unwrap();
    }
    let answer = HostOutput::finish(&mut state, output).await.unwrap().unwrap();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer, serde_json::json!({ "status": 200, "body": "1000000 bytes" }));
    assert_eq!(uploads.recv().await.unwrap(), "1000000 bytes");

    let output = state.send_streaming(upload()).await.unwrap().unwrap();
    for _ in 0..20 {
        HostOutput::write(&mut state, Resource::new_borrow(output.rep()), vec![7; 10_000]).await.unwrap().unwrap();
    }
    HostOutput::drop(&mut state, output).await.unwrap();
    assert_eq!(uploads.recv().await.unwrap(), "broken off");
}
