//! Waiting for another process: ask until it is so, within a limit, and say what was last seen when it never was.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

const PAUSE: Duration = Duration::from_millis(10);

/// Asks again and again until `ask` gives a value. `Err` from it is what it saw instead, and appears in the message.
///
/// # Errors
/// When the limit is over: names what was waited for and what was seen last.
pub async fn until<T, F>(what: &str, limit: Duration, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let begin = Instant::now();
    loop {
        match ask().await {
            Ok(value) => return Ok(value),
            Err(seen) if begin.elapsed() > limit => {
                return Err(anyhow!("{what} did not happen within {limit:?}; last seen: {seen:#}"));
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
