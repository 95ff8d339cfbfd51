//! The REST API as a test sees it: plain requests, and the few things that every test waits for.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::until;

const REQUEST_LIMIT: Duration = Duration::from_secs(30);
const STATE_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub struct Rest {
    client: Client,
    port: u16,
}

/// An answer as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Answer {
    /// The body as JSON; an empty body is null.
    pub fn json(&self) -> Result<Value> {
        if self.text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&self.text).with_context(|| format!("no JSON: {}", self.text))
    }

    /// The body, when the status says success.
    pub fn ok(self) -> Result<Value> {
        if !(200..300).contains(&self.status) {
            bail!("status {}: {}", self.status, self.text);
        }
        self.json()
    }
}

impl Rest {
    pub fn at(port: u16) -> Rest {
        // The client wants a TLS provider although nothing here speaks TLS. A second installation is refused, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client =
            Client::builder().timeout(REQUEST_LIMIT).no_proxy().build().expect("a client without options can be built");
        Rest { client, port }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let mut request = self.client.request(method, self.url(path));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| format!("cannot reach {path}"))?;
        Ok(Answer { status: response.status().as_u16(), text: response.text().await? })
    }

    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.request(Method::GET, path, None).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.request(Method::PUT, path, Some(body)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.request(Method::POST, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.request(Method::DELETE, path, None).await
    }

    pub async fn create(&self, name: &str, config: &Value) -> Result<Value> {
        self.post("/connectors", &json!({"name": name, "config": config}))
            .await?
            .ok()
            .with_context(|| format!("creating {name}"))
    }

    pub async fn connectors(&self) -> Result<Vec<String>> {
        Ok(serde_json::from_value(self.get("/connectors").await?.ok()?)?)
    }

    pub async fn status(&self, name: &str) -> Result<Value> {
        self.get(&format!("/connectors/{name}/status")).await?.ok()
    }

    pub async fn offsets(&self, name: &str) -> Result<Value> {
        self.get(&format!("/connectors/{name}/offsets")).await?.ok()
    }

    /// `pause`, `resume` or `stop`.
    pub async fn command(&self, name: &str, command: &str) -> Result<Value> {
        self.request(Method::PUT, &format!("/connectors/{name}/{command}"), None).await?.ok()
    }

    /// Waits until the connector and this many tasks of it are RUNNING.
    pub async fn until_running(&self, name: &str, tasks: usize) -> Result<()> {
        self.until_state(name, "RUNNING", tasks).await
    }

    pub async fn until_state(&self, name: &str, state: &str, tasks: usize) -> Result<()> {
        until(&format!("{name} is {state} with {tasks} tasks"), STATE_LIMIT, || async {
            let status = self.status(name).await?;
            let states: Vec<&str> = task_states(&status);
            let is_so =
                status["connector"]["state"] == state && states.len() == tasks && states.iter().all(|it| *it == state);
            if is_so { Ok(()) } else { bail!("{status}") }
        })
        .await
    }

    /// Waits until task 0 has this state; for a task that fails while its connector runs.
    pub async fn until_task_state(&self, name: &str, state: &str) -> Result<Value> {
        until(&format!("task 0 of {name} is {state}"), STATE_LIMIT, || async {
            let status = self.status(name).await?;
            if task_states(&status).first() == Some(&state) { Ok(status) } else { bail!("{status}") }
        })
        .await
    }

    /// The sum of a metric over the tasks of every connector whose name begins so; `None` when there is no such series.
    pub async fn metric(&self, name: &str, connector: &str) -> Result<Option<u64>> {
        Ok(sum(&self.metrics().await?, name, connector))
    }

    pub async fn metrics(&self) -> Result<String> {
        let answer = self.get("/metrics").await?;
        if answer.status != 200 {
            bail!("/metrics: status {}", answer.status);
        }
        Ok(answer.text)
    }
}

/// Prometheus' text form: `name{connector="x",task="0"} 3`.
fn sum(metrics: &str, name: &str, connector: &str) -> Option<u64> {
    let label = format!("connector=\"{connector}");
    let of_this =
        |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') && rest.contains(&label));
    let values: Vec<f64> =
        metrics.lines().filter(of_this).filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>().max(0.0) as u64)
}

fn task_states(status: &Value) -> Vec<&str> {
    status["tasks"].as_array().into_iter().flatten().filter_map(|task| task["state"].as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_summed_by_the_beginning_of_the_connectors_name() {
        let metrics = "# TYPE a counter\na{connector=\"x\",task=\"0\"} 3\na{connector=\"x\",task=\"1\"} 4\na{connector=\"xy\",task=\"0\"} 1\nab{connector=\"x\"} 9\n";
        assert_eq!(sum(metrics, "a", "x\""), Some(7));
        assert_eq!(sum(metrics, "a", "x"), Some(8));
        assert_eq!(sum(metrics, "a", "z"), None);
    }
}
