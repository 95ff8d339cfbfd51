//! Headers that the worker's config adds to answers: `response.http.headers.config`, and what lets a browser's page of another origin in.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is added to every answer.
#[derive(Debug, Clone, Default)]
pub struct AnswerHeaders {
    /// `access.control.allow.origin`: origins, or `*`; none: no page of another origin is let in.
    pub allow_origin: Vec<String>,
    /// `access.control.allow.methods`; none: GET, POST and HEAD.
    pub allow_methods: String,
    pub rules: Vec<HeaderRule>,
}

/// One entry of `response.http.headers.config`.
#[derive(Debug, Clone, PartialEq)]
pub struct HeaderRule {
    /// Beside what is there, instead of in place of it.
    add: bool,
    name: HeaderName,
    value: RuleValue,
}

#[derive(Debug, Clone, PartialEq)]
enum RuleValue {
    Text(HeaderValue),
    /// The time of the answer and so much.
    Date(Duration),
}

impl HeaderRule {
    /// `set X-Frame-Options: DENY, add Cache-Control: no-cache, setDate Expires: 31540000000`. Source: Kafka `RestServer`, Jetty's
    /// `HeaderFilter`; an entry with a comma in it stands in double quotes.
    ///
    /// # Errors
    /// The entry that is none.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        entries(text)
            .iter()
            .map(|entry| Self::parse(entry).ok_or_else(|| format!("{entry:?} is no header rule")))
            .collect()
    }

    fn parse(entry: &str) -> Option<Self> {
        let (action, rest) = entry.trim().split_once(char::is_whitespace)?;
        let (name, value) = rest.split_once(':')?;
        let name = HeaderName::try_from(name.trim()).ok()?;
        let text = || HeaderValue::try_from(value.trim()).ok().map(RuleValue::Text);
        let date = || value.trim().parse().ok().map(|millis| RuleValue::Date(Duration::from_millis(millis)));
        let (add, value) = match action.to_ascii_lowercase().as_str() {
            "set" => (false, text()?),
            "add" => (true, text()?),
            "setdate" => (false, date()?),
            "adddate" => (true, date()?),
            _ => return None,
        };
        Some(Self { add, name, value })
    }
}

/// Split at commas outside of quotes.
fn entries(text: &str) -> Vec<String> {
    let (mut entries, mut is_quoted) = (vec![String::new()], false);
    for character in text.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => entries.push(String::new()),
            other => entries.last_mut().expect("there is one from the start").push(other),
        }
    }
    entries.retain(|entry| !entry.trim().is_empty());
    entries
}

impl AnswerHeaders {
    /// Adds them to an answer to a request with these headers.
    pub(crate) fn apply(&self, method: &Method, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if let Some(origin) = origin.filter(|origin| self.lets_in(origin)) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
            let methods = if self.allow_methods.is_empty() { "GET,POST,HEAD" } else { &self.allow_methods };
            if method == Method::OPTIONS
                && let Ok(methods) = HeaderValue::from_str(methods)
            {
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
                let allowed = HeaderValue::from_static("X-Requested-With,Content-Type,Accept,Origin");
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
            }
        }
        for rule in &self.rules {
            let value = match &rule.value {
                RuleValue::Text(value) => value.clone(),
                RuleValue::Date(after) => match HeaderValue::try_from(http_date(later(*after))) {
                    Ok(value) => value,
                    Err(_) => continue,
                },
            };
            if rule.add {
                headers.append(rule.name.clone(), value);
            } else {
                headers.insert(rule.name.clone(), value);
            }
        }
    }

    fn lets_in(&self, origin: &HeaderValue) -> bool {
        self.allow_origin.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
    }
}

/// A time that cannot be said is now.
fn later(after: Duration) -> SystemTime {
    let now = SystemTime::now();
    now.checked_add(after).unwrap_or(now)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn http_date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    // Howard Hinnant's civil_from_days, for days since 1970.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{weekday}, {day:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT", names[(month - 1) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(headers: &AnswerHeaders, method: Method, origin: Option<&'static str>) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert("x-a", HeaderValue::from_static("old"));
        headers.apply(&method, origin.map(HeaderValue::from_static).as_ref(), &mut map);
        map
    }

    #[test]
    fn rules_set_and_add() {
        let rules =
            HeaderRule::parse_all("set X-A: new, add X-B:one, \"add X-B: two, three\", setDate Expires: 0").unwrap();
        let headers = AnswerHeaders { rules, ..AnswerHeaders::default() };
        let map = applied(&headers, Method::GET, None);
        assert_eq!(map["x-a"], "new");
        assert_eq!(map.get_all("x-b").iter().collect::<Vec<_>>(), ["one", "two, three"]);
        assert!(map["expires"].to_str().unwrap().ends_with(" GMT"));
        assert!(HeaderRule::parse_all("put X-A: b").is_err());
    }

    #[test]
    fn only_the_origins_that_are_named_are_let_in() {
        let named = AnswerHeaders { allow_origin: vec!["http://a".to_owned()], ..AnswerHeaders::default() };
        assert_eq!(applied(&named, Method::GET, Some("http://a"))["access-control-allow-origin"], "http://a");
        assert!(!applied(&named, Method::GET, Some("http://b")).contains_key("access-control-allow-origin"));
        assert!(!applied(&AnswerHeaders::default(), Method::GET, Some("http://a")).contains_key("vary"));
        let preflight = applied(&named, Method::OPTIONS, Some("http://a"));
        assert_eq!(preflight["access-control-allow-methods"], "GET,POST,HEAD");
    }

    #[test]
    fn dates_are_written_as_http_writes_them() {
        let at = |seconds| http_date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
