//! A web server's access log in the combined format, made up from a seed. Every line carries its sequence id (`rid=`).

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::random::Random;

const PATHS: [&str; 8] = [
    "/",
    "/shop",
    "/shop/cart",
    "/shop/checkout",
    "/api/v1/items",
    "/api/v1/orders",
    "/static/app.js",
    "/account/login",
];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15",
    "curl/8.14.1",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// 2026-01-05 00:00:00: made-up requests happen in made-up time, so that a seed always gives the same lines.
const FIRST_DAY: u64 = 5;

/// The lines of one made-up server, ids from 1.
#[derive(Debug, Clone)]
pub struct AccessLog {
    random: Random,
    written: u64,
    milliseconds: u64,
}

impl AccessLog {
    pub fn new(seed: u64) -> AccessLog {
        AccessLog { random: Random::new(seed), written: 0, milliseconds: 0 }
    }

    /// How many lines were made so far, which is also the last id.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The next line, without its end.
    pub fn line(&mut self) -> String {
        self.written += 1;
        self.milliseconds += self.random.below(40);
        let random = &mut self.random;
        let address = format!("203.0.113.{}", 1 + random.below(254));
        let user = if random.below(5) == 0 { format!("user{}", random.below(900)) } else { "-".to_owned() };
        let method = if random.below(6) == 0 { "POST" } else { "GET" };
        let status = *random.pick(&[200, 200, 200, 200, 200, 304, 301, 404, 500]);
        let (path, agent) = (*random.pick(&PATHS), *random.pick(&AGENTS));
        let size = random.below(60_000);
        let (time, id) = (time(self.milliseconds / 1000), self.written);
        format!(r#"{address} - {user} [{time}] "{method} {path}?rid={id} HTTP/1.1" {status} {size} "-" "{agent}""#)
    }

    /// The sequence id of a line.
    pub fn id_of(line: &str) -> Option<i64> {
        let digits = line.split_once("rid=")?.1;
        digits[..digits.find(' ')?].parse().ok()
    }
}

fn time(seconds: u64) -> String {
    let day = FIRST_DAY + seconds / 86_400;
    let month = MONTHS[((day - 1) / 28 % 12) as usize];
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{:02}/{month}/2026:{hour:02}:{minute:02}:{second:02} +0000", (day - 1) % 28 + 1)
}

/// A file that grows by such lines, as a server's log does.
#[derive(Debug)]
pub struct LogFile {
    file: File,
    pub log: AccessLog,
}

impl LogFile {
    pub fn create(path: &Path, seed: u64) -> Result<LogFile> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(LogFile {
            file: file.with_context(|| format!("cannot open {}", path.display()))?,
            log: AccessLog::new(seed),
        })
    }

    /// Appends lines in one write.
    pub fn append(&mut self, lines: u64) -> Result<()> {
        let mut text = String::new();
        for _ in 0..lines {
            text.push_str(&self.log.line());
            text.push('\n');
        }
        self.file.write_all(text.as_bytes()).context("cannot write the log file")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_looks_like_a_web_servers_and_carries_its_id() {
        let mut log = AccessLog::new(1);
        let (first, second) = (log.line(), log.line());
        assert_eq!((AccessLog::id_of(&first), AccessLog::id_of(&second)), (Some(1), Some(2)));
        assert!(first.starts_with("203.0.113.") && first.contains("/Jan/2026:00:00:00 +0000] \""), "{first}");
        assert_eq!(AccessLog::new(1).line(), first);
        assert_eq!(AccessLog::id_of("no id here"), None);
    }
}
