//! `TimestampConverter`: a time, or one field that holds one, to another form: text, unix time, Date, Time, Timestamp.
//!
//! Everything is UTC and in milliseconds. Without a schema there is no date: the three logical targets give milliseconds since
//! the epoch as a number.

use crate::columns::{Members, Operand, is_all_null, operand, refuse_single};
use crate::field_path::{self, FieldPath};
use crate::schemaless::{OnNull, change_at, kind, map_objects, raw_string};
use crate::smt::{Side, Smt, SmtResult, of_importance, refused, rejected, replace_null_key, replaces_null, string_key};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, Date32Array, Int64Array, StringArray, Time32MillisecondArray, TimestampMillisecondArray,
};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, TimeUnit};
use sluice_connect_api::config_def::{Default, Validator};
use sluice_connect_api::{ConfigDef, ConfigMap, Importance};
use sluice_data::date_format::DateFormat;
use sluice_data::schema::{DATE, REQUIRED, TIME, TIMESTAMP};
use sluice_data::{ConnectBatch, ConnectSchema, SchemaType};
use std::sync::Arc;

const PURPOSE: &str = "converting timestamp formats";
const MS_PER_DAY: i64 = 86_400_000;

pub struct TimestampConverter {
    /// `None`: the whole key or value.
    field: Option<FieldPath>,
    target: Target,
    format: Option<DateFormat>,
    precision: Precision,
    replaces_null: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Text,
    Unix,
    Date,
    Time,
    Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

const TARGETS: [(&str, Target); 5] = [
    ("string", Target::Text),
    ("unix", Target::Unix),
    ("Date", Target::Date),
    ("Time", Target::Time),
    ("Timestamp", Target::Timestamp),
];
const PRECISIONS: [(&str, Precision); 4] = [
    ("nanoseconds", Precision::Nanoseconds),
    ("microseconds", Precision::Microseconds),
    ("milliseconds", Precision::Milliseconds),
    ("seconds", Precision::Seconds),
];

impl Smt for TimestampConverter {
    fn config_def() -> ConfigDef {
        let names = |names: Vec<&str>| Validator::ValidValues {
            values: names.into_iter().map(str::to_owned).collect(),
            ignore_case: false,
        };
        let empty = || Default::Value(String::new());
        let def = ConfigDef::default()
            .define(string_key(
                "field",
                empty(),
                "The field containing the timestamp, or empty if the entire value is a timestamp.",
            ))
            .define(
                string_key(
                    "target.type",
                    Default::Required,
                    "The desired timestamp representation: string, unix, Date, Time, or Timestamp.",
                )
                .validator(names(TARGETS.map(|(name, _)| name).to_vec())),
            )
            .define(of_importance(
                Importance::Medium,
                string_key(
                    "format",
                    empty(),
                    "A SimpleDateFormat-compatible format for the timestamp. Used to generate the output when type=string or \
                     used to parse the input if the input is a string.",
                ),
            ))
            .define(
                of_importance(
                    Importance::Low,
                    string_key(
                        "unix.precision",
                        Default::Value("milliseconds".into()),
                        "The precision of unix times: seconds, milliseconds, microseconds, or nanoseconds. What is finer \
                         than a millisecond is lost.",
                    ),
                )
                .validator(names(PRECISIONS.map(|(name, _)| name).to_vec())),
            )
            .define(replace_null_key());
        field_path::with_version_key(def)
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        let (field, pattern) = (&config["field"], &config["format"]);
        let target = named(&TARGETS, &config["target.type"]);
        if target == Target::Text && pattern.is_empty() {
            return Err("TimestampConverter requires format option to be specified when using string timestamps".into());
        }
        let format = match pattern.as_str() {
            "" => None,
            pattern => Some(DateFormat::new(pattern).map_err(|reason| {
                format!(
                    "TimestampConverter requires a SimpleDateFormat-compatible pattern for string timestamps: {pattern}: {reason}"
                )
            })?),
        };
        let field = if field.is_empty() { None } else { Some(field_path::of_config(config, field)?) };
        let precision = named(&PRECISIONS, &config["unix.precision"]);
        Ok(Self { field, target, format, precision, replaces_null: replaces_null(config) })
    }

    fn apply(&self, side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch> {
        let (field, column) = side.operand(batch);
        if is_all_null(column) {
            return Ok(batch.clone());
        }
        match (operand(field, column), &self.field) {
            (Operand::Nothing, _) => Ok(batch.clone()),
            (Operand::Json(texts), None) => {
                let convert = |text: &str| self.convert_text(text);
                let texts =
                    texts.iter().map(|text| text.map(convert).transpose()).collect::<SmtResult<StringArray>>()?;
                side.replace(batch, field.as_ref().clone(), Arc::new(texts))
            }
            (Operand::Json(texts), Some(path)) => {
                let texts = map_objects(texts, PURPOSE, OnNull::Pass, |_, object| {
                    change_at(object, path, &mut |text| match text {
                        None | Some("null") => Ok(Some("null".to_owned())),
                        Some(text) => self.convert_text(text).map(Some),
                    })
                })?;
                side.replace(batch, field.as_ref().clone(), Arc::new(texts))
            }
            (_, None) => {
                let (field, column) = self.convert_column(field, column)?;
                side.replace(batch, field, column)
            }
            (Operand::Struct(structure), Some(path)) => {
                let mut members = Members::of(structure, self.replaces_null)?;
                members.change_at(path, &mut |field, column| self.convert_column(field, column))?;
                let (field, column) = members.into_column(field)?;
                side.replace(batch, field, column)
            }
            (Operand::Single, Some(_)) => refuse_single(PURPOSE, column),
        }
    }
}

impl TimestampConverter {
    fn convert_column(&self, field: &Field, column: &ArrayRef) -> SmtResult<(Field, ArrayRef)> {
        let times = self.times(field, column)?;
        let (converted, schema): (ArrayRef, _) = match self.target {
            Target::Text => (Arc::new(self.texts(&times)), ConnectSchema::new(SchemaType::String)),
            Target::Unix => {
                let unix: Int64Array = times.unary(|ms| self.precision.of_ms(ms));
                (Arc::new(unix), ConnectSchema::new(SchemaType::Int64))
            }
            Target::Date => {
                let days: Date32Array = times
                    .try_unary(|ms| i32::try_from(ms.div_euclid(MS_PER_DAY)))
                    .map_err(|_| rejected("the time is no day that a Date can hold"))?;
                (Arc::new(days), ConnectSchema::new(SchemaType::Int32).named(DATE, 1))
            }
            Target::Time => {
                let ms: Time32MillisecondArray = times.unary(|ms| ms.rem_euclid(MS_PER_DAY) as i32);
                (Arc::new(ms), ConnectSchema::new(SchemaType::Int32).named(TIME, 1))
            }
            Target::Timestamp => {
                let timestamps: TimestampMillisecondArray = times.reinterpret_cast();
                (Arc::new(timestamps.with_timezone("UTC")), ConnectSchema::new(SchemaType::Int64).named(TIMESTAMP, 1))
            }
        };
        let target = schema.to_field(field.name()).map_err(|error| rejected(error.to_string()))?;
        let mut metadata = target.metadata().clone();
        if let Some(required) = field.metadata().get(REQUIRED) {
            metadata.insert(REQUIRED.to_owned(), required.clone());
        }
        Ok((target.with_nullable(field.is_nullable()).with_metadata(metadata), converted))
    }

    /// Milliseconds since the epoch. Source: Kafka `TimestampConverter.timestampTypeFromSchema`.
    fn times(&self, field: &Field, column: &ArrayRef) -> SmtResult<Int64Array> {
        let integers = |array: &ArrayRef| -> SmtResult<Int64Array> {
            Ok(cast(array, &DataType::Int64).map_err(refused)?.as_primitive::<Int64Type>().clone())
        };
        let ms = DataType::Timestamp(TimeUnit::Millisecond, None);
        match column.data_type() {
            DataType::Int64 => Ok(column.as_primitive::<Int64Type>().unary(|unix| self.precision.to_ms(unix))),
            DataType::Timestamp(..) => integers(&cast(column, &ms).map_err(refused)?),
            DataType::Date32 => {
                let days = integers(&cast(column, &DataType::Int32).map_err(refused)?)?;
                Ok(days.unary(|days| days * MS_PER_DAY))
            }
            DataType::Time32(_) | DataType::Time64(_) => {
                let times = cast(column, &DataType::Time32(TimeUnit::Millisecond)).map_err(refused)?;
                integers(&cast(&times, &DataType::Int32).map_err(refused)?)
            }
            DataType::Utf8 => {
                let texts = column.as_string::<i32>();
                texts.iter().map(|text| text.map(|text| self.parse(text)).transpose()).collect()
            }
            other => Err(rejected(format!(
                "the field {:?} has the type {other}, which does not correspond to a known timestamp type format",
                field.name()
            ))),
        }
    }

    fn texts(&self, times: &Int64Array) -> StringArray {
        let format = self.format.as_ref().expect("checked when the transformation was made");
        times.iter().map(|ms| ms.map(|ms| format.format(ms))).collect()
    }

    fn parse(&self, text: &str) -> SmtResult<i64> {
        let Some(format) = &self.format else {
            return Err(rejected("a timestamp that is a text needs the format option"));
        };
        format.parse(text).ok_or_else(|| {
            let pattern = format.pattern();
            rejected(format!("Could not parse timestamp: value ({text}) does not match pattern ({pattern})"))
        })
    }

    /// A schemaless value that is not null.
    fn convert_text(&self, text: &str) -> SmtResult<String> {
        let unsupported =
            || rejected(format!("TimestampConverter does not support {} objects as timestamps", kind(text)));
        let ms = match kind(text) {
            "string" => self.parse(&serde_json::from_str::<String>(text).map_err(|_| unsupported())?)?,
            "number" => self.precision.to_ms(text.trim().parse().map_err(|_| unsupported())?),
            _ => return Err(unsupported()),
        };
        Ok(match self.target {
            Target::Text => {
                let format = self.format.as_ref().expect("checked when the transformation was made");
                raw_string(&format.format(ms)).get().to_owned()
            }
            Target::Unix => self.precision.of_ms(ms).to_string(),
            Target::Date => (ms - ms.rem_euclid(MS_PER_DAY)).to_string(),
            Target::Time => ms.rem_euclid(MS_PER_DAY).to_string(),
            Target::Timestamp => ms.to_string(),
        })
    }
}

/// Too far away saturates, and what is finer goes towards zero. Source: Java `TimeUnit.convert`.
impl Precision {
    fn to_ms(self, unix: i64) -> i64 {
        match self {
            Self::Seconds => unix.saturating_mul(1000),
            Self::Milliseconds => unix,
            Self::Microseconds => unix / 1000,
            Self::Nanoseconds => unix / 1_000_000,
        }
    }

    fn of_ms(self, ms: i64) -> i64 {
        match self {
            Self::Seconds => ms / 1000,
            Self::Milliseconds => ms,
            Self::Microseconds => ms.saturating_mul(1000),
            Self::Nanoseconds => ms.saturating_mul(1_000_000),
        }
    }
}

fn named<T: Copy>(all: &[(&str, T)], name: &str) -> T {
    all.iter().find(|(known, _)| *known == name).expect("the validator knows the same names").1
}
