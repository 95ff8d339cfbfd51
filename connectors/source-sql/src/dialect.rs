//! What differs between databases, in SQL text.

/// Whether names are quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoting {
    Always,
    Never,
}

/// A database's SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    kind: Kind,
    quoting: Quoting,
}

/// PostgreSQL and MySQL will stand here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sqlite,
}

/// How a timestamp column is stored, which SQLite does not fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampStorage {
    /// Milliseconds, as its JDBC driver writes them.
    Integer,
    Text,
    /// Anything, or several columns.
    Mixed,
}

impl TimestampStorage {
    /// From the storage classes of the smallest and the largest value: SQLite orders numbers before text before blobs.
    pub fn between(smallest: &str, largest: &str) -> Self {
        match (smallest, largest) {
            ("integer", "integer") => Self::Integer,
            ("text", "text") => Self::Text,
            _ => Self::Mixed,
        }
    }
}

impl Dialect {
    pub fn new(_name: &str, quoting: Quoting) -> Self {
        Self { kind: Kind::Sqlite, quoting }
    }

    pub fn quote(self, name: &str) -> String {
        match (self.kind, self.quoting) {
            (Kind::Sqlite, Quoting::Always) => format!("\"{}\"", name.replace('"', "\"\"")),
            (Kind::Sqlite, Quoting::Never) => name.to_owned(),
        }
    }

    /// A query for the storage classes of a column's smallest and largest value. An index answers it at once.
    pub fn probe_storage(self, from: &str, column: &str) -> String {
        format!(
            "SELECT (SELECT typeof(min({column})) FROM {from}) AS smallest, (SELECT typeof(max({column})) FROM {from}) AS largest"
        )
    }

    /// The column in milliseconds since the epoch, however it is stored.
    pub fn timestamp_ms(self, column: &str, storage: TimestampStorage) -> String {
        let of_text = format!("CAST(round((julianday({column}) - 2440587.5) * 86400000.0) AS INTEGER)");
        match storage {
            TimestampStorage::Integer => column.to_owned(),
            TimestampStorage::Text => of_text,
            TimestampStorage::Mixed => format!("CASE typeof({column}) WHEN 'integer' THEN {column} ELSE {of_text} END"),
        }
    }

    /// A condition that an index can answer and that every row above `after_ms` meets: text begins with its date, and a zone
    /// moves it by less than a day.
    pub fn coarse_condition(self, column: &str, storage: TimestampStorage, after_ms: i64) -> Option<String> {
        (storage == TimestampStorage::Text && after_ms > 0)
            .then(|| format!("{column} >= '{}'", date_of(after_ms.div_euclid(86_400_000) - 1)))
    }
}

/// `YYYY-MM-DD` of a day since the epoch. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn date_of(days: i64) -> String {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Days since the epoch of a date.
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_unless_told_otherwise() {
        assert_eq!(Dialect::new("sqlite", Quoting::Always).quote("a\"b"), "\"a\"\"b\"");
        assert_eq!(Dialect::new("sqlite", Quoting::Never).quote("ab"), "ab");
    }

    #[test]
    fn dates_and_days_are_inverse() {
        for (days, date) in [(0, "1970-01-01"), (-1, "1969-12-31"), (20_454, "2026-01-01"), (11_016, "2000-02-29")] {
            assert_eq!(date_of(days), date);
            let mut parts = date.split('-').map(|part| part.parse().unwrap());
            assert_eq!(days_of(parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap()), days);
        }
    }

    #[test]
    fn mixed_storage_is_compared_as_milliseconds() {
        assert_eq!(TimestampStorage::between("integer", "text"), TimestampStorage::Mixed);
        assert_eq!(TimestampStorage::between("null", "null"), TimestampStorage::Mixed);
        assert_eq!(TimestampStorage::between("text", "text"), TimestampStorage::Text);
        let dialect = Dialect::new("sqlite", Quoting::Always);
        assert_eq!(dialect.timestamp_ms("\"t\"", TimestampStorage::Integer), "\"t\"");
        let coarse = dialect.coarse_condition("\"t\"", TimestampStorage::Text, 1_767_225_600_000);
        assert_eq!(coarse.as_deref(), Some("\"t\" >= '2025-12-31'"));
        assert_eq!(dialect.coarse_condition("\"t\"", TimestampStorage::Integer, 1_767_225_600_000), None);
    }
}
