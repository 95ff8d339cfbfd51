//! Which directory a row belongs to.

use crate::path_format::PathFormat;
use crate::settings::Naming;
use crate::time::{Civil, parse_iso};
use sluice_plugin_sdk::*;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitioner {
    /// `partition=<n>`.
    Default,
    /// `field=value/…`.
    Field {
        fields: Vec<String>,
    },
    Time(TimePartitioner),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimePartitioner {
    pub format: PathFormat,
    pub duration_ms: i64,
    pub zone_offset_ms: i64,
    pub extractor: TimestampExtractor,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimestampExtractor {
    /// When the delivery was planned: the same in a replay.
    Wallclock,
    Record,
    RecordField(String),
}

/// Rows of one directory.
pub struct Target {
    pub directory: String,
    pub rows: Batch,
}

/// What a batch was divided into; the rows that belong nowhere are refused.
pub struct Division {
    pub targets: Vec<Target>,
    pub refused: Vec<RecordFailure>,
}

impl Partitioner {
    /// # Errors
    /// When the batch lacks a column that divides it.
    pub fn divide(&self, delivery: &Delivery, batch: &Batch, naming: &Naming) -> Result<Division> {
        match self {
            Self::Default => {
                let directory = format!("partition={}", delivery.partition());
                Ok(Division { targets: vec![Target { directory, rows: whole(batch)? }], refused: Vec::new() })
            }
            Self::Field { fields } => by_field(batch, fields, naming),
            Self::Time(time) => time.divide(delivery, batch),
        }
    }
}

impl TimePartitioner {
    /// The directory of a moment. Source: `TimeBasedPartitioner.getPartition`: cut in local time.
    #[must_use]
    pub fn directory(&self, millis: i64) -> String {
        let local = millis.saturating_add(self.zone_offset_ms);
        self.format.format(&Civil::of_millis(local - local.rem_euclid(self.duration_ms)))
    }

    fn divide(&self, delivery: &Delivery, batch: &Batch) -> Result<Division> {
        let times = match &self.extractor {
            TimestampExtractor::Wallclock => {
                let directory = self.directory(delivery.planned_ms());
                return Ok(Division { targets: vec![Target { directory, rows: whole(batch)? }], refused: Vec::new() });
            }
            TimestampExtractor::Record => batch.column("timestamp")?,
            TimestampExtractor::RecordField(field) => batch.column(&format!("value.{field}"))?,
        };
        let moments: Vec<Option<i64>> = (0..times.len()).map(|row| moment(&times, row)).collect();
        let groups = self.group(&moments);
        let mut targets = Vec::with_capacity(groups.len());
        for (directory, rows) in groups {
            let rows = if rows.len() == moments.len() { whole(batch)? } else { batch.take(&rows)? };
            targets.push(Target { directory, rows });
        }
        let without: Vec<usize> = (0..moments.len()).filter(|row| moments[*row].is_none()).collect();
        Ok(Division {
            targets,
            refused: refusals(
                batch,
                &without,
                "object-store.no-timestamp",
                "has no timestamp to choose a directory by",
            )?,
        })
    }

    /// Directories in the order of their first rows.
    fn group(&self, moments: &[Option<i64>]) -> Vec<(String, Vec<u32>)> {
        let mut groups: Vec<(i64, Vec<u32>)> = Vec::new();
        for (row, moment) in moments.iter().enumerate() {
            let Some(moment) = moment else { continue };
            let window = moment.saturating_add(self.zone_offset_ms).div_euclid(self.duration_ms);
            // Neighbours mostly share a directory.
            match groups.iter_mut().rev().find(|(other, _)| *other == window) {
                Some((_, rows)) => rows.push(row as u32),
                None => groups.push((window, vec![row as u32])),
            }
        }
        // A pattern may be coarser than its windows.
        let mut named: Vec<(String, Vec<u32>)> = Vec::new();
        for (window, rows) in groups {
            let directory = self.format.format(&Civil::of_millis(window.saturating_mul(self.duration_ms)));
            match named.iter_mut().find(|(other, _)| *other == directory) {
                Some((_, others)) => others.extend(rows),
                None => named.push((directory, rows)),
            }
        }
        named.iter_mut().for_each(|(_, rows)| rows.sort_unstable());
        named
    }
}

fn moment(times: &Column, row: usize) -> Option<i64> {
    times.integer(row).or_else(|| times.text(row).and_then(|text| parse_iso(text).or_else(|| text.parse().ok())))
}

fn by_field(batch: &Batch, fields: &[String], naming: &Naming) -> Result<Division> {
    let columns: Vec<String> = fields.iter().map(|field| format!("value.{field}")).collect();
    let mut division = Division { targets: Vec::new(), refused: Vec::new() };
    for group in batch.partition_by(&columns)? {
        match field_directory(fields, &group.key, &naming.directory_delim) {
            Some(directory) => division.targets.push(Target { directory, rows: group.rows }),
            None => {
                let rows: Vec<usize> = (0..group.rows.length() as usize).collect();
                let reason = format!("has no value in one of the fields {}", fields.join(", "));
                division.refused.extend(refusals(&group.rows, &rows, "object-store.no-field", &reason)?);
            }
        }
    }
    Ok(division)
}

/// `None`: a value is missing.
fn field_directory(fields: &[String], values: &[Option<String>], delim: &str) -> Option<String> {
    let parts = fields.iter().zip(values).map(|(field, value)| Some(format!("{field}={}", escaped(value.as_ref()?))));
    parts.collect::<Option<Vec<_>>>().map(|parts| parts.join(delim))
}

/// A value must not make directories of its own: `/`, `%` and control characters are written as in a URL.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        if character == '/' || character == '%' || character.is_control() {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                text.push_str(&format!("%{byte:02X}"));
            }
        } else {
            text.push(character);
        }
    }
    text
}

/// All rows of a batch as one of our own; nothing is copied.
pub fn whole(batch: &Batch) -> Result<Batch> {
    Ok(batch.slice(0, batch.length())?)
}

/// One failure for each of these rows, by its row id.
pub fn refusals(batch: &Batch, rows: &[usize], code: &str, reason: &str) -> Result<Vec<RecordFailure>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids = batch.column("row_id")?;
    let failure = |row: &usize| {
        Some(RecordFailure::new(ids.integer(*row)?, Error::rejected(code, format!("the record {reason}"))))
    };
    Ok(rows.iter().filter_map(failure).collect())
}

impl Naming {
    /// Source: Confluent `TopicPartitionWriter.fileKey`.
    #[must_use]
    pub fn key(&self, (topic, directory): (&str, &str), (origin, partition): (&str, i32), first_offset: i64) -> String {
        let Self { topics_dir, directory_delim: slash, file_delim, offset_width, extension } = self;
        let above = if topics_dir.is_empty() { String::new() } else { format!("{topics_dir}{slash}") };
        let name = format!("{origin}{file_delim}{partition}{file_delim}{first_offset:0offset_width$}{extension}");
        if directory.is_empty() {
            format!("{above}{topic}{slash}{name}")
        } else {
            format!("{above}{topic}{slash}{directory}{slash}{name}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming() -> Naming {
        Naming {
            topics_dir: "topics".into(),
            directory_delim: "/".into(),
            file_delim: "+".into(),
            offset_width: 10,
            extension: ".json".into(),
        }
    }

    fn hourly(zone_offset_ms: i64) -> TimePartitioner {
        TimePartitioner {
            format: PathFormat::parse("'d'=yyyy-MM-dd/'h'=HH").unwrap(),
            duration_ms: 3_600_000,
            zone_offset_ms,
            extractor: TimestampExtractor::Record,
        }
    }

    #[test]
    fn keys_are_confluents() {
        assert_eq!(
            naming().key(("orders", "partition=3"), ("orders", 3), 42),
            "topics/orders/partition=3/orders+3+0000000042.json"
        );
        let bare = Naming { topics_dir: String::new(), offset_width: 0, file_delim: "-".into(), ..naming() };
        assert_eq!(bare.key(("orders", ""), ("orders", 0), 7), "orders/orders-0-7.json");
        // Renamed by a transformation: the folder says what it is, the name stays that of the delivery.
        assert_eq!(bare.key(("sales", ""), ("orders", 0), 7), "sales/orders-0-7.json");
    }

    #[test]
    fn field_values_make_no_directories_of_their_own() {
        let fields = ["region".to_owned(), "a.b".to_owned()];
        let values = [Some("EU/west%".to_owned()), Some("..\n".to_owned())];
        assert_eq!(field_directory(&fields, &values, "/").unwrap(), "region=EU%2Fwest%25/a.b=..%0A");
        assert_eq!(field_directory(&fields, &[Some("x".into()), None], "/"), None);
    }

    #[test]
    fn moments_are_cut_in_local_time() {
        assert_eq!(hourly(0).directory(1_709_210_096_789), "d=2024-02-29/h=12");
        assert_eq!(hourly(19_800_000).directory(1_709_210_096_789), "d=2024-02-29/h=18");
        assert_eq!(hourly(0).directory(-1), "d=1969-12-31/h=23");
    }

    #[test]
    fn rows_are_grouped_by_their_window_in_order() {
        let hour = 3_600_000;
        let groups = hourly(0).group(&[Some(0), Some(hour), None, Some(1), Some(hour + 5)]);
        assert_eq!(
            groups,
            [("d=1970-01-01/h=00".to_owned(), vec![0, 3]), ("d=1970-01-01/h=01".to_owned(), vec![1, 4])]
        );
        let daily = TimePartitioner { format: PathFormat::parse("'d'=dd").unwrap(), ..hourly(0) };
        assert_eq!(daily.group(&[Some(0), Some(hour), Some(2)]), [("d=01".to_owned(), vec![0, 1, 2])]);
    }

    #[test]
    fn moments_come_from_numbers_and_texts() {
        assert_eq!(moment(&Column::int64(vec![5]), 0), Some(5));
        let texts = Column::utf8(["1970-01-01T00:00:01Z", "17", "soon"]);
        assert_eq!([moment(&texts, 0), moment(&texts, 1), moment(&texts, 2)], [Some(1000), Some(17), None]);
    }
}
