//! One schema for the items of a list, and the items made to fit it. Source: Kafka `Values.SchemaMerger` and `convertTo`.

use super::Parsed;
use crate::schema::{DATE, DECIMAL, TIME, TIMESTAMP};
use crate::{ConnectSchema, SchemaType};

const MS_PER_DAY: i64 = 86_400_000;

/// Numbers by width: a wider one holds the narrower.
const WIDTHS: [SchemaType; 6] = [
    SchemaType::Int8,
    SchemaType::Int16,
    SchemaType::Int32,
    SchemaType::Int64,
    SchemaType::Float32,
    SchemaType::Float64,
];

#[derive(Default)]
pub struct Merger {
    common: Option<ConnectSchema>,
    is_incompatible: bool,
    /// Of a list or map whose own items have no common schema: its type counts, its schema is none.
    last_type: Option<std::mem::Discriminant<Parsed>>,
}

impl Merger {
    pub fn merge(&mut self, item: &Parsed) {
        if *item == Parsed::Null || self.is_incompatible {
            return;
        }
        let kind = std::mem::discriminant(item);
        let schema = item.schema();
        let merged = match (&self.common, &schema) {
            _ if self.last_type.is_none() => schema,
            (Some(common), Some(new)) => match (width(common), width(new)) {
                // Of two with the same type the later one stands, whatever its name.
                _ if same_type(common, new) => Some(new.clone()),
                (Some(common_width), Some(new_width)) => {
                    Some(if common_width >= new_width { common.clone() } else { new.clone() })
                }
                _ => return self.give_up(),
            },
            _ if self.last_type == Some(kind) => schema,
            _ => return self.give_up(),
        };
        (self.common, self.last_type) = (merged, Some(kind));
    }

    fn give_up(&mut self) {
        (self.common, self.is_incompatible) = (None, true);
    }

    pub fn common(self) -> Common {
        Common { exists: self.last_type.is_some() && !self.is_incompatible, schema: self.common }
    }
}

/// What items have in common: nothing, a schema, or that they are lists (or maps) which have none themselves.
pub struct Common {
    pub exists: bool,
    pub schema: Option<ConnectSchema>,
}

impl Common {
    /// The items made to fit; `None` when one cannot be. A null does not fit what the others have in common.
    pub fn align(&self, items: Vec<Parsed>) -> Option<Vec<Parsed>> {
        match &self.schema {
            Some(schema) => items.into_iter().map(|item| convert(schema, item)).collect(),
            None if self.exists && items.contains(&Parsed::Null) => None,
            None => Some(items),
        }
    }
}

fn width(schema: &ConnectSchema) -> Option<usize> {
    WIDTHS.iter().position(|kind| *kind == schema.kind)
}

fn same_type(left: &ConnectSchema, right: &ConnectSchema) -> bool {
    std::mem::discriminant(&left.kind) == std::mem::discriminant(&right.kind)
}

/// `None` when it cannot be: also for null, since the schema of the others is required.
fn convert(schema: &ConnectSchema, item: Parsed) -> Option<Parsed> {
    let is_temporal = matches!(item, Parsed::Date(_) | Parsed::Time(_) | Parsed::Timestamp(_));
    Some(match (&schema.kind, schema.name.as_deref()) {
        (_, Some(DATE | TIME | TIMESTAMP)) if is_temporal => item,
        (_, Some(DATE)) => Parsed::Date(long(&item)?.checked_mul(MS_PER_DAY)?),
        (_, Some(TIME)) => Parsed::Time(Some(long(&item)?).filter(|ms| (0..MS_PER_DAY).contains(ms))?),
        (_, Some(TIMESTAMP)) => Parsed::Timestamp(long(&item)?),
        (SchemaType::Bytes, Some(DECIMAL)) if matches!(item, Parsed::Decimal(..)) => item,
        (SchemaType::Int8, _) => Parsed::Int8(long(&item)? as i8),
        (SchemaType::Int16, _) => Parsed::Int16(long(&item)? as i16),
        (SchemaType::Int32, _) => Parsed::Int32(long(&item)? as i32),
        (SchemaType::Int64, _) => Parsed::Int64(long(&item)?),
        (SchemaType::Float32, _) => match item {
            Parsed::Float32(_) => item,
            other => Parsed::Float32(double(&other)? as f32),
        },
        (SchemaType::Float64, _) => Parsed::Float64(double(&item)?),
        (SchemaType::Boolean, _) if matches!(item, Parsed::Boolean(_)) => item,
        (SchemaType::String, _) if matches!(item, Parsed::String(_)) => item,
        (SchemaType::Array(_), _) if matches!(item, Parsed::List(..)) => item,
        (SchemaType::Map(..), _) if matches!(item, Parsed::Map(..)) => item,
        _ => return None,
    })
}

fn long(item: &Parsed) -> Option<i64> {
    Some(match item {
        Parsed::Int8(value) => (*value).into(),
        Parsed::Int16(value) => (*value).into(),
        Parsed::Int32(value) => (*value).into(),
        Parsed::Int64(value) => *value,
        Parsed::Float32(value) => *value as i64,
        Parsed::Float64(value) => *value as i64,
        _ => return None,
    })
}

fn double(item: &Parsed) -> Option<f64> {
    Some(match item {
        Parsed::Float32(value) => (*value).into(),
        Parsed::Float64(value) => *value,
        other => long(other)? as f64,
    })
}
