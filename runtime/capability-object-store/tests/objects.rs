//! The object-store capability over a local folder.

use sluice_capability::bindings::errors::Error;
use sluice_capability::bindings::writers::HostOutput;
use sluice_capability::{Capability, Ceiling, Grants, GuestIdentity, GuestState, Named};
use sluice_capability_object_store::bindings::sluice::object_store::object_store::{Host, HostStore, IfExists};
use sluice_capability_object_store::{ObjectStoreCapability, Store};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use wasmtime::component::Resource;

fn grants(url: &str, bucket: &str) -> Grants {
    let settings = [("url", url), ("bucket", bucket)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    Grants { named: BTreeMap::from([("default".to_owned(), Named(BTreeMap::from(settings)))]) }
}

fn url(folder: &Path) -> String {
    format!("file://{}", folder.display())
}

fn guest_of(capability: &ObjectStoreCapability, folder: &Path) -> GuestState {
    let identity = GuestIdentity::default();
    let prepared = capability.prepare(&identity, &grants(&url(folder), "lake")).unwrap();
    let mut state = GuestState::new(identity, Box::new(()));
    state.grant("object-store", prepared);
    state
}

fn guest(folder: &Path) -> GuestState {
    guest_of(&ObjectStoreCapability::new(&Ceiling::default(), vec![]), folder)
}

#[track_caller]
fn code<T>(answer: wasmtime::Result<Result<T, Error>>) -> String {
    match answer.expect("no trap") {
        Ok(_) => panic!("must be refused"),
        Err(Error::Rejected(details) | Error::Retriable(details) | Error::Fatal(details)) => details.code,
    }
}

struct Client {
    state: GuestState,
    store: Resource<Store>,
}

impl Client {
    async fn new(folder: &Path) -> Self {
        let mut state = guest(folder);
        let store = state.open("default".into()).await.unwrap().unwrap();
        Self { state, store }
    }

    fn store(&self) -> Resource<Store> {
        Resource::new_borrow(self.store.rep())
    }

    async fn put(&mut self, key: &str, bytes: &[u8], if_exists: IfExists) -> Result<(), String> {
        let store = self.store();
        let put = self.state.put(store, key.into(), bytes.to_vec(), if_exists).await.unwrap();
        put.map(drop).map_err(|error| code::<()>(Ok(Err(error))))
    }

    async fn get(&mut self, key: &str) -> Vec<u8> {
        let store = self.store();
        self.state.get(store, key.into(), 0, 1 << 20).await.unwrap().unwrap()
    }

    async fn list(&mut self, prefix: &str, after: Option<&str>, max_keys: u32) -> (Vec<String>, Option<String>) {
        let store = self.store();
        let page =
            self.state.list_objects(store, prefix.into(), after.map(str::to_owned), max_keys).await.unwrap().unwrap();
        (page.objects.into_iter().map(|object| object.key).collect(), page.next)
    }
}

#[test]
fn every_function_has_a_place_on_the_linker() {
    let mut linker = wasmtime::component::Linker::new(&wasmtime::Engine::default());
    ObjectStoreCapability::new(&Ceiling::default(), vec![]).link(&mut linker).unwrap();
}

#[tokio::test]
async fn objects_are_put_read_copied_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::new(folder.path()).await;
    client.put("a/b/c.json", b"hello", IfExists::Overwrite).await.unwrap();
    assert_eq!(client.get("a/b/c.json").await, b"hello");
    let head = |client: &Client| Resource::<Store>::new_borrow(client.store.rep());
    let store = head(&client);
    let first = client.state.head(store, "a/b/c.json".into()).await.unwrap().unwrap().unwrap();
    assert_eq!(first.size_bytes, 5);
    client.put("a/b/c.json", b"bye!!", IfExists::Overwrite).await.unwrap();
    let store = head(&client);
    let second = client.state.head(store, "a/b/c.json".into()).await.unwrap().unwrap().unwrap();
    assert_ne!(first.etag, second.etag);
    let store = head(&client);
    assert_eq!(client.state.get(store, "a/b/c.json".into(), 3, 100).await.unwrap().unwrap(), b"!!");
    let store = head(&client);
    client.state.copy(store, "a/b/c.json".into(), "copy".into(), IfExists::Fail).await.unwrap().unwrap();
    assert_eq!(client.get("copy").await, b"bye!!");
    let store = head(&client);
    assert_eq!(code(client.state.copy(store, "none".into(), "x".into(), IfExists::Fail).await), "object.not-found");
    let store = head(&client);
    assert!(client.state.delete(store, "a/b/c.json".into()).await.unwrap().unwrap());
    let store = head(&client);
    assert!(!client.state.delete(store, "a/b/c.json".into()).await.unwrap().unwrap());
    let store = head(&client);
    assert!(client.state.head(store, "a/b/c.json".into()).await.unwrap().unwrap().is_none());
    let store = head(&client);
    assert_eq!(code(client.state.get(store, "a/b/c.json".into(), 0, 1).await), "object.not-found");
}

#[tokio::test]
async fn an_object_that_must_not_be_replaced_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::new(folder.path()).await;
    client.put("a", b"first", IfExists::Fail).await.unwrap();
    assert_eq!(client.put("a", b"second", IfExists::Fail).await.unwrap_err(), "object.exists");
    // Two uploads begun before either ends: the second to finish loses.
    let (one, two) = (client.store(), client.store());
    let one = client.state.upload(one, "b".into(), IfExists::Fail).await.unwrap().unwrap();
    let two = client.state.upload(two, "b".into(), IfExists::Fail).await.unwrap().unwrap();
    HostOutput::finish(&mut client.state, one).await.unwrap().unwrap();
    assert_eq!(code(HostOutput::finish(&mut client.state, two).await), "object.exists");
    assert_eq!(client.get("a").await, b"first");
    assert_eq!(uploads(folder.path()), 0);
}

fn uploads(folder: &Path) -> usize {
    fs::read_dir(folder.join("lake/.sluice-uploads")).unwrap().count()
}

#[tokio::test]
async fn an_upload_shows_only_when_it_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::new(folder.path()).await;
    let store = client.store();
    let output = client.state.upload(store, "t/o".into(), IfExists::Overwrite).await.unwrap().unwrap();
    for part in [&b"abc"[..], b"def"] {
        HostOutput::write(&mut client.state, Resource::new_borrow(output.rep()), part.to_vec()).await.unwrap().unwrap();
    }
    assert_eq!(client.list("", None, 10).await.0, Vec::<String>::new());
    let answer = HostOutput::finish(&mut client.state, output).await.unwrap().unwrap();
    assert!(answer.contains("\"bytes\":6"), "{answer}");
    assert_eq!(client.get("t/o").await, b"abcdef");
    let store = client.store();
    let dropped = client.state.upload(store, "t/x".into(), IfExists::Overwrite).await.unwrap().unwrap();
    HostOutput::write(&mut client.state, Resource::new_borrow(dropped.rep()), b"abc".to_vec()).await.unwrap().unwrap();
    HostOutput::drop(&mut client.state, dropped).await.unwrap();
    assert_eq!((client.list("", None, 10).await.0, uploads(folder.path())), (vec!["t/o".to_owned()], 0));
}

#[tokio::test]
async fn what_a_killed_process_left_is_removed_and_living_uploads_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::new(folder.path()).await;
    let store = client.store();
    let living = client.state.upload(store, "a".into(), IfExists::Overwrite).await.unwrap().unwrap();
    fs::write(folder.path().join("lake/.sluice-uploads/0123"), "left over").unwrap();
    let _second = Client::new(folder.path()).await;
    assert_eq!(uploads(folder.path()), 1);
    HostOutput::finish(&mut client.state, living).await.unwrap().unwrap();
    assert_eq!(client.get("a").await, b"");
}

#[tokio::test]
async fn listing_goes_by_key_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::new(folder.path()).await;
    // As bytes: '-' < '.' < '/' < '0'.
    let keys = ["a-b", "a.b", "a/b", "a/c/d", "a0", "b/x"];
    for key in keys {
        client.put(key, b"x", IfExists::Overwrite).await.unwrap();
    }
    fs::create_dir(folder.path().join("lake/empty")).unwrap();
    assert_eq!(client.list("", None, 100).await, (keys.map(str::to_owned).to_vec(), None));
    for page in 1..=keys.len() as u32 {
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let (found, next) = client.list("", after.as_deref(), page).await;
            all.extend(found);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(all, keys, "pages of {page}");
    }
    assert_eq!(client.list("a/", None, 10).await.0, ["a/b", "a/c/d"]);
    assert_eq!(client.list("a/c", Some("a/b"), 10).await.0, ["a/c/d"]);
    assert_eq!(client.list("nothing", None, 10).await.0, Vec::<String>::new());
}

#[tokio::test]
async fn keys_lead_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::new(folder.path()).await;
    fs::write(folder.path().join("secret"), "s").unwrap();
    for key in ["../secret", "a/../../secret", "/etc/passwd", "", "a//b", "a\nb", ".sluice-uploads/x"] {
        assert_eq!(client.put(key, b"x", IfExists::Overwrite).await.unwrap_err(), "object.bad-key", "{key}");
        let store = client.store();
        assert_eq!(code(client.state.get(store, key.into(), 0, 1).await), "object.bad-key");
        let store = client.store();
        assert_eq!(code(client.state.delete(store, key.into()).await), "object.bad-key");
        let store = client.store();
        assert_eq!(code(client.state.upload(store, key.into(), IfExists::Fail).await), "object.bad-key");
        let store = client.store();
        assert_eq!(code(client.state.copy(store, "a".into(), key.into(), IfExists::Fail).await), "object.bad-key");
    }
    symlink("..", folder.path().join("lake/up")).unwrap();
    symlink("../secret", folder.path().join("lake/link")).unwrap();
    let store = client.store();
    assert_eq!(code(client.state.get(store, "up/secret".into(), 0, 1).await), "not-granted");
    let store = client.store();
    assert_eq!(code(client.state.get(store, "link".into(), 0, 1).await), "not-granted");
    assert_eq!(client.put("up/new", b"x", IfExists::Overwrite).await.unwrap_err(), "not-granted");
    let store = client.store();
    assert_eq!(code(client.state.delete(store, "up/secret".into()).await), "not-granted");
    assert_eq!(client.list("", None, 10).await.0, Vec::<String>::new());
    assert_eq!(fs::read(folder.path().join("secret")).unwrap(), b"s");
}

#[tokio::test]
async fn a_key_cannot_be_the_folder_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::new(folder.path()).await;
    client.put("a", b"x", IfExists::Overwrite).await.unwrap();
    assert_eq!(client.put("a/b", b"x", IfExists::Overwrite).await.unwrap_err(), "object.key-conflict");
    client.put("c/d", b"x", IfExists::Overwrite).await.unwrap();
    assert_eq!(client.put("c", b"x", IfExists::Overwrite).await.unwrap_err(), "object.key-conflict");
}

#[tokio::test]
async fn stores_stay_within_the_ceiling() {
    let folder = tempfile::tempdir().unwrap();
    let (root, other, data) = (folder.path().join("root"), folder.path().join("other"), folder.path().join("data"));
    for path in [&root, &other, &data] {
        fs::create_dir(path).unwrap();
    }
    symlink(&other, root.join("way")).unwrap();
    symlink(&data, other.join("lake")).unwrap();
    let identity = GuestIdentity::default();
    let ceiling = Ceiling(BTreeMap::from([
        ("roots".to_owned(), vec![root.to_str().unwrap().to_owned()]),
        ("buckets".to_owned(), vec!["lake".to_owned()]),
    ]));
    let capability = ObjectStoreCapability::new(&ceiling, vec![data.clone()]);
    for (url, bucket) in [
        (url(&other), "lake"),
        (url(&root), "pond"),
        (format!("{}/../other", url(&root)), "lake"),
        ("https://s3.example.com".to_owned(), "lake"),
        (String::new(), "lake"),
        (url(&root), "../other"),
    ] {
        assert!(capability.prepare(&identity, &grants(&url, bucket)).is_err(), "{url} {bucket}");
    }
    let mut inside = guest_of(&capability, &root);
    inside.open("default".into()).await.unwrap().unwrap();
    assert_eq!(code(inside.open("other".into()).await), "not-granted");
    // Only opening it shows that the folder is a link out of the root, or into the hub's own.
    let mut linked = guest_of(&capability, &root.join("way"));
    assert_eq!(code(linked.open("default".into()).await), "not-granted");
    let anywhere = ObjectStoreCapability::new(&Ceiling::default(), vec![data.clone()]);
    assert!(anywhere.prepare(&identity, &grants(&url(&data), "")).is_err());
    let mut linked = guest_of(&anywhere, &other);
    assert_eq!(code(linked.open("default".into()).await), "not-granted");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0, "nothing was made there");
    let mut ungranted = GuestState::new(identity, Box::new(()));
    assert_eq!(code(ungranted.open("default".into()).await), "not-granted");
}
