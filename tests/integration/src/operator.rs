//! Somebody who changes connectors all the time, and knows what the hub has promised.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use sluice_harness::{Method, Random, Rest, until};

const STATE_LIMIT: Duration = Duration::from_secs(60);

/// What a connector may be like: its config without its name, and the state that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    pub config: Map<String, Value>,
    pub state: &'static str,
}

/// Connector → what it may be like. More than one: a request was on its way when the hub died.
type Promises = BTreeMap<String, Vec<Option<Known>>>;

/// Cheap to clone; all clones remember the same.
#[derive(Clone, Default)]
pub struct Operator {
    promises: Arc<Mutex<Promises>>,
    /// Configs of connectors that may be deleted and made again.
    replaceable: Arc<BTreeMap<String, Value>>,
}

impl Operator {
    #[must_use]
    pub fn new(replaceable: BTreeMap<String, Value>) -> Operator {
        Operator { promises: Arc::default(), replaceable: Arc::new(replaceable) }
    }

    /// Learns what is there, or holds it against what was promised.
    ///
    /// # Errors
    /// A connector is not as any of the promises says.
    pub async fn check(&self, rest: &Rest) -> Result<()> {
        let all = rest.get("/connectors?expand=info").await?.ok()?;
        let mut found = BTreeMap::new();
        for (name, one) in all.as_object().context("an object of connectors")? {
            let mut config = one["info"]["config"].as_object().context("a config")?.clone();
            config.remove("name");
            found.insert(name.clone(), config);
        }
        let promises = self.promises();
        for (name, may_be) in &promises {
            let is = found.get(name);
            let fits = may_be.iter().any(|one| one.as_ref().map(|known| &known.config) == is);
            ensure!(fits, "{name} has the config {is:?}, and may only be {may_be:#?}");
        }
        for name in found.keys().filter(|name| !promises.contains_key(*name)) {
            let mut promises = self.promises.lock().unwrap_or_else(PoisonError::into_inner);
            let known = Known { config: found[name].clone(), state: "RUNNING" };
            promises.insert(name.clone(), vec![Some(known)]);
        }
        self.settle(&found);
        Ok(())
    }

    /// What was found rules out the other promises about configs.
    fn settle(&self, found: &BTreeMap<String, Map<String, Value>>) {
        let mut promises = self.promises.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, may_be) in promises.iter_mut() {
            may_be.retain(|one| one.as_ref().map(|known| &known.config) == found.get(name));
        }
    }

    /// Waits until each connector is in a state that was promised.
    ///
    /// # Errors
    /// One does not get there.
    pub async fn check_states(&self, rest: &Rest) -> Result<()> {
        for (name, may_be) in self.promises() {
            if may_be.iter().all(Option::is_none) {
                continue;
            }
            until(&format!("a promised state of {name}"), STATE_LIMIT, || async {
                let status = rest.status(&name).await?;
                let state = status["connector"]["state"].clone();
                if may_be.iter().flatten().any(|known| state == known.state) {
                    Ok(())
                } else {
                    bail!("{status}, {may_be:?}")
                }
            })
            .await?;
        }
        Ok(())
    }

    /// One change at random. An error says that the hub was not there; whether it happened is then open.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn change(&self, rest: &Rest, random: &mut Random) -> Result<()> {
        let promises = self.promises();
        let names: Vec<&String> = promises.keys().collect();
        let name = (*random.pick(&names)).clone();
        let path = format!("/connectors/{name}");
        let known = match promises[&name].as_slice() {
            [known] => known,
            // Its config is known since the last check; its state is so from here on.
            [first, ..] => {
                let running = first.clone().map(|known| Known { state: "RUNNING", ..known });
                return self.ask(rest, &name, running, Method::PUT, &format!("{path}/resume"), None).await;
            }
            [] => return Ok(()),
        };
        let Some(known) = known.clone() else {
            let config = &self.replaceable[&name];
            let next = Known { config: config.as_object().context("a config")?.clone(), state: "RUNNING" };
            return self
                .ask(
                    rest,
                    &name,
                    Some(next),
                    Method::POST,
                    "/connectors",
                    Some(json!({"name": name, "config": config})),
                )
                .await;
        };
        let with_state = |state| Some(Known { state, ..known.clone() });
        let with_key = |key: &str, value: String| {
            let mut next = known.clone();
            next.config.insert(key.to_owned(), value.into());
            Some(next)
        };
        match random.below(9) {
            0 => self.ask(rest, &name, with_state("PAUSED"), Method::PUT, &format!("{path}/pause"), None).await,
            1 => self.ask(rest, &name, with_state("STOPPED"), Method::PUT, &format!("{path}/stop"), None).await,
            2 | 3 => self.ask(rest, &name, with_state("RUNNING"), Method::PUT, &format!("{path}/resume"), None).await,
            4 if known.state == "RUNNING" => {
                let path = format!("{path}/restart?includeTasks=true");
                self.ask(rest, &name, Some(known), Method::POST, &path, None).await
            }
            5 if known.config.contains_key("flush.size") => {
                let size = (1_000 + random.below(5_000)).to_string();
                let body = json!({"flush.size": size});
                self.ask(
                    rest,
                    &name,
                    with_key("flush.size", size),
                    Method::PATCH,
                    &format!("{path}/config"),
                    Some(body),
                )
                .await
            }
            6 => {
                let tasks = (1 + random.below(3)).to_string();
                let next = with_key("tasks.max", tasks);
                let body = next.as_ref().map(|next| Value::Object(next.config.clone()));
                self.ask(rest, &name, next, Method::PUT, &format!("{path}/config"), body).await
            }
            7 if self.replaceable.contains_key(&name) => self.ask(rest, &name, None, Method::DELETE, &path, None).await,
            _ => Ok(()),
        }
    }

    /// Resumes every connector.
    ///
    /// # Errors
    /// One cannot be resumed.
    pub async fn resume_all(&self, rest: &Rest) -> Result<()> {
        for name in rest.connectors().await? {
            rest.put(&format!("/connectors/{name}/resume"), &Value::Null).await?.ok()?;
        }
        Ok(())
    }

    async fn ask(
        &self,
        rest: &Rest,
        name: &str,
        next: Option<Known>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<()> {
        self.promise(name, |may_be| may_be.push(next.clone()));
        let answer = rest.request(method, path, body.as_ref()).await?;
        ensure!((200..300).contains(&answer.status), "{name} {path}: {answer:?}");
        self.promise(name, |may_be| *may_be = vec![next.clone()]);
        Ok(())
    }

    fn promise(&self, name: &str, change: impl FnOnce(&mut Vec<Option<Known>>)) {
        let mut promises = self.promises.lock().unwrap_or_else(PoisonError::into_inner);
        change(promises.entry(name.to_owned()).or_default());
    }

    fn promises(&self) -> Promises {
        self.promises.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
