//! The kinds of rows, after Confluent's samples of the same names (their nested fields are left flat).

use sluice_plugin_sdk::{Value, json};

/// How a field's values are made.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// The row's number.
    Sequence,
    /// Now, in milliseconds, as a Connect Timestamp.
    Now,
    /// From the first up to below the second.
    Int32(i32, i32),
    Int64(i64, i64),
    /// Two decimals.
    Float64(f64, f64),
    /// A prefix and a number from the first up to below the second.
    Numbered(&'static str, u32, u32),
    OneOf(&'static [&'static str]),
    /// True in so many of a hundred rows.
    Boolean(u32),
}

pub struct FieldSpec {
    pub name: &'static str,
    pub values: Values,
}

pub struct Quickstart {
    pub name: &'static str,
    pub key: &'static str,
    pub fields: &'static [FieldSpec],
}

const fn field(name: &'static str, values: Values) -> FieldSpec {
    FieldSpec { name, values }
}

pub const QUICKSTARTS: &[Quickstart] = &[
    Quickstart {
        name: "orders",
        key: "orderid",
        fields: &[
            field("ordertime", Values::Now),
            field("orderid", Values::Sequence),
            field("itemid", Values::Numbered("Item_", 1, 1000)),
            field("orderunits", Values::Float64(0.1, 10.0)),
            field("city", Values::Numbered("City_", 1, 100)),
            field("state", Values::Numbered("State_", 1, 100)),
            field("zipcode", Values::Int64(10_000, 99_999)),
            field("express", Values::Boolean(20)),
        ],
    },
    Quickstart {
        name: "users",
        key: "userid",
        fields: &[
            field("registertime", Values::Int64(1_487_715_775_521, 1_519_273_364_600)),
            field("userid", Values::Numbered("User_", 1, 10)),
            field("regionid", Values::Numbered("Region_", 1, 10)),
            field("gender", Values::OneOf(&["MALE", "FEMALE", "OTHER"])),
        ],
    },
    Quickstart {
        name: "pageviews",
        key: "viewtime",
        fields: &[
            field("viewtime", Values::Sequence),
            field("userid", Values::Numbered("User_", 1, 10)),
            field("pageid", Values::Numbered("Page_", 10, 100)),
        ],
    },
    Quickstart {
        name: "stock_trades",
        key: "symbol",
        fields: &[
            field("side", Values::OneOf(&["BUY", "SELL"])),
            field("quantity", Values::Int32(1, 5_000)),
            field("symbol", Values::OneOf(&["ZBZX", "ZJZZT", "ZTEST", "ZVV", "ZVZZT", "ZWZZT", "ZXZZT"])),
            field("price", Values::Int32(5, 1_000)),
            field("account", Values::OneOf(&["ABC123", "LMN456", "XYZ789"])),
            field("userid", Values::Numbered("User_", 1, 10)),
        ],
    },
];

impl Quickstart {
    pub fn named(name: &str) -> Option<&'static Self> {
        QUICKSTARTS.iter().find(|quickstart| quickstart.name == name)
    }

    /// The Connect schema of the value, in JSON.
    pub fn schema(&self) -> String {
        let fields: Vec<Value> = self.fields.iter().map(FieldSpec::schema).collect();
        json!({"type": "struct", "optional": false, "name": format!("datagen.{}", self.name), "fields": fields})
            .to_string()
    }
}

impl FieldSpec {
    fn schema(&self) -> Value {
        let kind = match self.values {
            Values::Now => {
                return json!({"field": self.name, "type": "int64", "optional": false, "version": 1,
                    "name": "org.apache.kafka.connect.data.Timestamp"});
            }
            Values::Sequence | Values::Int64(..) => "int64",
            Values::Int32(..) => "int32",
            Values::Float64(..) => "double",
            Values::Numbered(..) | Values::OneOf(_) => "string",
            Values::Boolean(_) => "boolean",
        };
        json!({"field": self.name, "type": kind, "optional": false})
    }
}
