//! The file capability on real files.

use arrow_array::cast::AsArray;
use sluice_capability::bindings::errors::Error;
use sluice_capability::bindings::writers::HostOutput;
use sluice_capability::state::Wake;
use sluice_capability::{Capability, Ceiling, Grants, GuestIdentity, GuestState, Named};
use sluice_capability_file::bindings::sluice::file::files::{Change, Host, HostReader, LineOptions, Lines};
use sluice_capability_file::{FileCapability, Reader};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::task::Poll;
use wasmtime::component::Resource;

struct Folder {
    root: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        self.text(name)
    }
}

fn ceiling(roots: Option<&[&Path]>) -> Ceiling {
    let roots = roots.map(|roots| roots.iter().map(|root| root.to_str().unwrap().to_owned()).collect());
    Ceiling(roots.map(|roots| ("roots".to_owned(), roots)).into_iter().collect())
}

fn grants(paths: &[&str]) -> Grants {
    let named = paths.iter().enumerate().map(|(index, path)| {
        (format!("name{index}"), Named(BTreeMap::from([("path".to_owned(), (*path).to_owned())])))
    });
    Grants { named: named.collect() }
}

fn guest_of(capability: &FileCapability, paths: &[&str]) -> GuestState {
    let identity = GuestIdentity { connector: "logs".into(), ..GuestIdentity::default() };
    let prepared = capability.prepare(&identity, &grants(paths)).unwrap();
    let mut state = GuestState::new(identity, Box::new(()));
    state.grant("file", prepared);
    state
}

fn guest(paths: &[&str]) -> GuestState {
    guest_of(&FileCapability::new(&Ceiling::default(), vec![]), paths)
}

#[track_caller]
fn code<T>(answer: wasmtime::Result<Result<T, Error>>) -> String {
    match answer.expect("no trap") {
        Ok(_) => panic!("must be refused"),
        Err(Error::Rejected(details) | Error::Retriable(details) | Error::Fatal(details)) => details.code,
    }
}

const OPTIONS: fn() -> LineOptions =
    || LineOptions { max_line_bytes: 1 << 20, max_lines: 10_000, max_bytes: 1 << 20, encoding: "utf8-replace".into() };

async fn lines(state: &mut GuestState, reader: &Resource<Reader>, position: u64, options: LineOptions) -> Lines {
    let reader = Resource::new_borrow(reader.rep());
    state.read_lines(reader, "log".into(), position, options).await.unwrap().unwrap()
}

fn texts(state: &mut GuestState, lines: &Lines) -> Vec<String> {
    let Some(batch) = &lines.batch else { return Vec::new() };
    let batch = state.batch(batch).unwrap();
    assert_eq!(&**batch.topic(), "log");
    batch.value().as_string::<i32>().iter().map(|line| line.unwrap().to_owned()).collect()
}

async fn open(state: &mut GuestState, path: &str) -> Resource<Reader> {
    state.open_read(path.into()).await.unwrap().unwrap()
}

#[test]
fn every_function_has_a_place_on_the_linker() {
    let mut linker = wasmtime::component::Linker::new(&wasmtime::Engine::default());
    FileCapability::new(&Ceiling::default(), vec![]).link(&mut linker).unwrap();
}

#[tokio::test]
async fn a_growing_file_is_read_to_its_end_again_and_again() {
    let folder = Folder::new();
    let path = folder.write("access.log", "one\ntwo\nhalf");
    let mut state = guest(&[&path]);
    let reader = open(&mut state, &path).await;
    let first = lines(&mut state, &reader, 0, OPTIONS()).await;
    assert_eq!((texts(&mut state, &first), first.position), (vec!["one".into(), "two".into()], 8));
    let nothing = lines(&mut state, &reader, 8, OPTIONS()).await;
    assert!(nothing.batch.is_none() && nothing.position == 8);
    let borrow = || Resource::new_borrow(reader.rep());
    assert_eq!(state.change(borrow(), 8).await.unwrap().unwrap(), Change::Unchanged, "half a line is no news twice");
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b" a line\n").unwrap();
    assert_eq!(state.change(borrow(), 8).await.unwrap().unwrap(), Change::Grown);
    let rest = lines(&mut state, &reader, 8, OPTIONS()).await;
    assert_eq!((texts(&mut state, &rest), rest.position), (vec!["half a line".into()], 20));
    assert_eq!(state.change(borrow(), 20).await.unwrap().unwrap(), Change::Unchanged);
}

#[tokio::test]
async fn waiting_ends_when_the_file_grows() {
    let folder = Folder::new();
    let path = folder.write("access.log", "one\n");
    let mut state = guest(&[&path]);
    let reader = open(&mut state, &path).await;
    let mut woken = asked_to_wake(&mut state, &reader, 4).await;
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"two\n").unwrap();
    woken.as_mut().await;
    assert_eq!(state.change(Resource::new_borrow(reader.rep()), 4).await.unwrap().unwrap(), Change::Grown);
}

#[tokio::test]
async fn waiting_ends_when_the_path_names_another_file() {
    let folder = Folder::new();
    let path = folder.write("access.log", "one\n");
    let mut state = guest(&[&path]);
    let reader = open(&mut state, &path).await;
    let mut woken = asked_to_wake(&mut state, &reader, 4).await;
    fs::rename(&path, folder.path("access.log.1")).unwrap();
    assert!(poll_once(&mut woken).await.is_pending(), "a file that was moved away is still the one that is followed");
    folder.write("access.log", "");
    woken.as_mut().await;
    assert_eq!(state.change(Resource::new_borrow(reader.rep()), 4).await.unwrap().unwrap(), Change::Replaced);
}

#[tokio::test]
async fn waiting_ends_when_its_time_is_over() {
    let folder = Folder::new();
    let path = folder.write("access.log", "one\n");
    let mut state = guest(&[&path]);
    let reader = open(&mut state, &path).await;
    state.poll_on_change(Resource::new_borrow(reader.rep()), 4, 1).await.unwrap();
    state.wakes.pop().unwrap().await;
    assert_eq!(state.change(Resource::new_borrow(reader.rep()), 4).await.unwrap().unwrap(), Change::Unchanged);
}

/// What the runtime waits for until it polls again; it has begun to wait.
async fn asked_to_wake(state: &mut GuestState, reader: &Resource<Reader>, position: u64) -> Wake {
    state.poll_on_change(Resource::new_borrow(reader.rep()), position, 600_000).await.unwrap();
    let mut woken = state.wakes.pop().unwrap();
    assert!(poll_once(&mut woken).await.is_pending(), "nothing has changed yet");
    woken
}

async fn poll_once(wake: &mut Wake) -> Poll<()> {
    std::future::poll_fn(|context| Poll::Ready(wake.as_mut().poll(context))).await
}

#[tokio::test]
async fn rename_truncation_and_removal_are_seen() {
    let folder = Folder::new();
    let path = folder.write("access.log", "one\ntwo\n");
    let mut state = guest(&[&path]);
    let reader = open(&mut state, &path).await;
    let borrow = || Resource::new_borrow(reader.rep());
    assert_eq!(state.change(borrow(), 8).await.unwrap().unwrap(), Change::Unchanged);
    fs::write(&path, "x\n").unwrap();
    assert_eq!(state.change(borrow(), 8).await.unwrap().unwrap(), Change::Truncated);
    fs::rename(&path, folder.path("access.log.1")).unwrap();
    assert_eq!(state.change(borrow(), 2).await.unwrap().unwrap(), Change::Gone);
    folder.write("access.log", "new\n");
    assert_eq!(state.change(borrow(), 2).await.unwrap().unwrap(), Change::Replaced);
    assert_eq!(
        state.change(borrow(), 1).await.unwrap().unwrap(),
        Change::Grown,
        "what the old file still has comes first"
    );
}

#[tokio::test]
async fn bytes_that_are_no_utf8_are_replaced_or_kept() {
    let folder = Folder::new();
    // The two halves of one character stand on two lines: together they would be valid.
    let path = folder.write("mixed.log", b"gr\xc3\n\xb6sser\nfine\n");
    let mut state = guest(&[&path]);
    let reader = open(&mut state, &path).await;
    let read = lines(&mut state, &reader, 0, OPTIONS()).await;
    assert_eq!(texts(&mut state, &read), ["gr\u{fffd}", "\u{fffd}sser", "fine"]);
    let raw = lines(&mut state, &reader, 0, LineOptions { encoding: "bytes".into(), ..OPTIONS() }).await;
    let batch = state.batch(raw.batch.as_ref().unwrap()).unwrap();
    assert_eq!(batch.value().as_binary::<i32>().value(0), b"gr\xc3");
    let wrong = LineOptions { encoding: "latin1".into(), ..OPTIONS() };
    assert_eq!(code(state.read_lines(reader, "log".into(), 0, wrong).await), "file.encoding");
}

#[tokio::test]
async fn an_over_long_line_is_reported_and_the_rest_goes_on() {
    let folder = Folder::new();
    let path = folder.write("long.log", format!("a\n{}\nb\n", "x".repeat(3_000_000)));
    let mut state = guest(&[&path]);
    let reader = open(&mut state, &path).await;
    let options = || LineOptions { max_line_bytes: 1000, ..OPTIONS() };
    let (mut position, mut kept, mut oversized) = (0, Vec::new(), Vec::new());
    while position < 3_000_005 {
        let read = lines(&mut state, &reader, position, options()).await;
        kept.extend(texts(&mut state, &read));
        oversized.extend(read.oversized.iter().map(|line| (line.position, line.size_bytes)));
        position = read.position;
    }
    assert_eq!((kept, oversized), (vec!["a".to_owned(), "b".to_owned()], vec![(2, 3_000_000)]));
}

#[tokio::test]
async fn only_granted_paths_open() {
    let folder = Folder::new();
    let granted = folder.write("in/a.log", "a\n");
    let other = folder.write("out/b.log", "b\n");
    let mut state = guest(&[&granted]);
    assert_eq!(code(state.open_read(other.clone()).await), "not-granted");
    assert_eq!(code(state.open_read(folder.text("in")).await), "not-granted");
    assert_eq!(code(state.open_read(folder.text("in/a.log.1")).await), "not-granted");
    assert_eq!(code(state.open_read(folder.text("in/../out/b.log")).await), "io.bad-path");
    assert_eq!(code(state.open_read(String::new()).await), "io.bad-path");
    assert_eq!(code(state.append(other.clone()).await), "not-granted");
    assert_eq!(code(state.create(other.clone()).await), "not-granted");
    assert_eq!(code(state.truncate(other.clone(), 0).await), "not-granted");
    assert_eq!(code(state.rename(granted.clone(), folder.text("in/c")).await), "not-granted");
    assert_eq!(code(Host::delete(&mut state, other.clone()).await), "not-granted");
    assert_eq!(code(Host::info(&mut state, other).await), "not-granted");
    let mut ungranted = GuestState::new(GuestIdentity::default(), Box::new(()));
    assert_eq!(code(ungranted.open_read(granted).await), "not-granted");
}

#[tokio::test]
async fn symbolic_links_lead_nowhere_else() {
    let folder = Folder::new();
    let secret = folder.write("out/secret", "s\n");
    folder.write("in/deep/a.log", "a\n");
    symlink(&secret, folder.path("in/link")).unwrap();
    symlink("../out", folder.path("in/folder")).unwrap();
    symlink("deep/a.log", folder.path("in/inside")).unwrap();
    let mut state = guest(&[&folder.text("in")]);
    assert_eq!(code(state.open_read(folder.text("in/link")).await), "not-granted");
    assert_eq!(code(state.open_read(folder.text("in/folder/secret")).await), "not-granted");
    assert_eq!(code(state.append(folder.text("in/link")).await), "not-granted");
    assert_eq!(code(state.append(folder.text("in/folder/new")).await), "not-granted");
    assert_eq!(code(state.create(folder.text("in/folder/new")).await), "not-granted");
    assert_eq!(code(Host::delete(&mut state, folder.text("in/folder/secret")).await), "not-granted");
    open(&mut state, &folder.text("in/inside")).await;
    let names: Vec<_> = state.list_folder(folder.text("in"), "*".into()).await.unwrap().unwrap();
    let names: Vec<_> = names.iter().map(|info| info.path.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["deep", "inside"]);
    assert_eq!(fs::read(secret).unwrap(), b"s\n");
}

#[tokio::test]
async fn a_granted_link_is_followed_only_to_a_granted_target() {
    let folder = Folder::new();
    let target = folder.write("var/app.log", "a\n");
    symlink(&target, folder.path("current.log")).unwrap();
    let link = folder.text("current.log");
    let mut state = guest(&[&link]);
    assert_eq!(code(state.open_read(link.clone()).await), "not-granted");
    let real = fs::canonicalize(&target).unwrap();
    let mut state = guest(&[&link, real.to_str().unwrap()]);
    open(&mut state, &link).await;
}

#[tokio::test]
async fn the_hubs_own_folders_stay_closed() {
    let folder = Folder::new();
    let data = folder.write("data/wal", "records");
    folder.write("logs/a.log", "a\n");
    symlink(folder.path("data"), folder.path("logs/escape")).unwrap();
    let capability = FileCapability::new(&Ceiling::default(), vec![folder.path("data")]);
    let identity = GuestIdentity::default();
    assert!(capability.prepare(&identity, &grants(&[&data])).is_err());
    // The folder above it may be granted, but the data stays closed inside of it.
    let mut state = guest_of(&capability, &[&folder.text("")]);
    assert_eq!(code(state.open_read(data.clone()).await), "not-granted");
    assert_eq!(code(state.open_read(folder.text("logs/escape/wal")).await), "not-granted");
    assert_eq!(code(state.create(folder.text("data/new")).await), "not-granted");
    assert_eq!(code(state.append(data.clone()).await), "not-granted");
    assert_eq!(code(Host::delete(&mut state, data).await), "not-granted");
    assert_eq!(code(state.rename(folder.text("data/wal"), folder.text("logs/wal")).await), "not-granted");
    assert_eq!(code(state.rename(folder.text("data"), folder.text("moved")).await), "not-granted");
    open(&mut state, &folder.text("logs/a.log")).await;
    assert!(capability.prepare(&identity, &grants(&["/proc/self/environ"])).is_err());
}

#[tokio::test]
async fn grants_stay_beneath_the_roots() {
    let folder = Folder::new();
    let inside = folder.write("root/a.log", "a\n");
    let outside = folder.write("other/b.log", "b\n");
    symlink(folder.path("other"), folder.path("root/way")).unwrap();
    let root = folder.path("root");
    let capability = FileCapability::new(&ceiling(Some(&[&root])), vec![]);
    let Err(error) = capability.prepare(&GuestIdentity::default(), &grants(&[&outside, &inside, "../x"])) else {
        panic!("must be refused")
    };
    assert_eq!(error.problems.len(), 2, "all problems at once: {error}");
    assert!(error.to_string().contains("capabilities.file.roots"), "{error}");
    // The folder above the file is a link out of the root: only opening it shows that.
    let mut state = guest_of(&capability, &[&folder.text("root/way/b.log"), &inside]);
    assert_eq!(code(state.open_read(folder.text("root/way/b.log")).await), "not-granted");
    assert_eq!(code(state.append(folder.text("root/way/b.log")).await), "not-granted");
    open(&mut state, &inside).await;
    let none = FileCapability::new(&ceiling(Some(&[])), vec![]);
    assert!(none.prepare(&GuestIdentity::default(), &grants(&[&inside])).is_err());
}

#[tokio::test]
async fn what_is_no_file_says_so() {
    let folder = Folder::new();
    folder.write("in/a.log", "a\n");
    let pipe = folder.path("in/pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0)
        .unwrap();
    let mut state = guest(&[&folder.text("in")]);
    assert_eq!(code(state.open_read(folder.text("in")).await), "io.is-a-folder");
    assert_eq!(code(state.open_read(folder.text("in/none")).await), "io.not-found");
    assert_eq!(code(state.open_read(folder.text("in/pipe")).await), "io.not-a-file");
    assert_eq!(code(state.append(folder.text("in")).await), "io.is-a-folder");
    assert!(Host::info(&mut state, folder.text("in/none")).await.unwrap().unwrap().is_none());
    assert!(Host::info(&mut state, folder.text("in")).await.unwrap().unwrap().unwrap().is_folder);
}

#[tokio::test]
async fn appended_bytes_are_there_at_once() {
    let folder = Folder::new();
    let path = folder.text("out.txt");
    let mut state = guest(&[&path]);
    for expected in ["a\n", "a\na\n"] {
        let output = state.append(path.clone()).await.unwrap().unwrap();
        HostOutput::write(&mut state, Resource::new_borrow(output.rep()), b"a\n".to_vec()).await.unwrap().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        let answer = HostOutput::finish(&mut state, output).await.unwrap().unwrap();
        assert_eq!(answer, format!("{{\"bytes\":2,\"size\":{}}}", expected.len()));
    }
    state.truncate(path.clone(), 1).await.unwrap().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"a");
    assert!(Host::delete(&mut state, path.clone()).await.unwrap().unwrap());
    assert!(!Host::delete(&mut state, path).await.unwrap().unwrap());
}

#[tokio::test]
async fn a_created_file_appears_whole_or_not_at_all() {
    let folder = Folder::new();
    let path = folder.write("out/report", "old");
    let mut state = guest(&[&folder.text("out")]);
    let output = state.create(path.clone()).await.unwrap().unwrap();
    HostOutput::write(&mut state, Resource::new_borrow(output.rep()), b"new".to_vec()).await.unwrap().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    HostOutput::finish(&mut state, output).await.unwrap().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");

    let dropped = state.create(path.clone()).await.unwrap().unwrap();
    HostOutput::drop(&mut state, dropped).await.unwrap();
    assert_eq!(fs::read_dir(folder.path("out")).unwrap().count(), 1, "a dropped output leaves nothing");
    // What a killed process left is removed by the next one; what is being written stays.
    folder.write("out/.report.sluice-0000000000000000", "left over");
    let living = state.create(path.clone()).await.unwrap().unwrap();
    let other = state.create(path.clone()).await.unwrap().unwrap();
    assert_eq!(fs::read_dir(folder.path("out")).unwrap().count(), 3);
    HostOutput::finish(&mut state, living).await.unwrap().unwrap();
    HostOutput::finish(&mut state, other).await.unwrap().unwrap();
}

#[tokio::test]
async fn files_are_listed_by_name_and_renamed() {
    let folder = Folder::new();
    for name in ["b.csv", "a.csv", "c.txt"] {
        folder.write(&format!("in/{name}"), "x");
    }
    let mut state = guest(&[&folder.text("in")]);
    let listed = state.list_folder(folder.text("in"), "*.csv".into()).await.unwrap().unwrap();
    let paths: Vec<_> = listed.iter().map(|info| info.path.clone()).collect();
    assert_eq!(paths, [folder.text("in/a.csv"), folder.text("in/b.csv")]);
    state.rename(folder.text("in/a.csv"), folder.text("in/done.csv")).await.unwrap().unwrap();
    assert!(folder.path("in/done.csv").exists());
    assert_eq!(code(state.rename(folder.text("in/a.csv"), folder.text("in/x")).await), "io.not-found");
}

#[tokio::test]
async fn bytes_are_read_where_they_are_asked_for() {
    let folder = Folder::new();
    let path = folder.write("a.bin", b"0123456789");
    let mut state = guest(&[&path]);
    let reader = open(&mut state, &path).await;
    let borrow = || Resource::new_borrow(reader.rep());
    assert_eq!(state.read_bytes(borrow(), 8, 5).await.unwrap().unwrap(), b"89");
    assert_eq!(state.read_bytes(borrow(), 100, 5).await.unwrap().unwrap(), b"");
    let info = HostReader::info(&mut state, borrow()).await.unwrap().unwrap();
    assert_eq!((info.size_bytes, info.is_folder), (10, false));
}
