//! The converters of one number or boolean: big-endian, of fixed width.
//!
//! Source: Kafka `org.apache.kafka.connect.converters.{Short, Integer, Long, Float, Double, Boolean}Converter`.

use crate::string::without_tombstones;
use arrow_array::builder::{BinaryBuilder, BooleanBuilder, PrimitiveBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, StringArray};
use arrow_buffer::ArrowNativeType;
use arrow_schema::{DataType, Field};
use sluice_connect_api::{ConfigDef, ConfigMap, ConvertError, Converted, Converter, ConverterRole, PluginRegistry};
use sluice_data::schema::is_json;
use std::marker::PhantomData;
use std::sync::Arc;

/// Adds the six converters.
pub fn register(registry: &PluginRegistry) {
    let no_keys: fn() -> ConfigDef = ConfigDef::default;
    registry.add_converter("org.apache.kafka.connect.converters.ShortConverter", no_keys, make::<Int16Type>);
    registry.add_converter("org.apache.kafka.connect.converters.IntegerConverter", no_keys, make::<Int32Type>);
    registry.add_converter("org.apache.kafka.connect.converters.LongConverter", no_keys, make::<Int64Type>);
    registry.add_converter("org.apache.kafka.connect.converters.FloatConverter", no_keys, make::<Float32Type>);
    registry.add_converter("org.apache.kafka.connect.converters.DoubleConverter", no_keys, make::<Float64Type>);
    registry.add_converter("org.apache.kafka.connect.converters.BooleanConverter", no_keys, make_boolean);
}

/// A number type that a topic can hold, with the name that its errors use.
trait Wire: ArrowPrimitiveType + Send + Sync {
    const NAME: &'static str;
    fn append(value: Self::Native, out: &mut BinaryBuilder);
    /// `None` when the length is wrong.
    fn read(bytes: &[u8]) -> Option<Self::Native>;
    /// Schemaless values: integers are long and fractions double, as Kafka reads JSON, and nothing else is either.
    fn of_json(texts: &StringArray, tombstones: Option<&BooleanArray>) -> Result<BinaryArray, ConvertError>;
}

macro_rules! wire {
    ($($type:ty => $name:literal $json:expr),*) => {$(
        impl Wire for $type {
            const NAME: &'static str = $name;

            fn append(value: Self::Native, out: &mut BinaryBuilder) {
                out.append_value(value.to_be_bytes());
            }

            fn read(bytes: &[u8]) -> Option<Self::Native> {
                Some(Self::Native::from_be_bytes(bytes.try_into().ok()?))
            }

            fn of_json(texts: &StringArray, tombstones: Option<&BooleanArray>) -> Result<BinaryArray, ConvertError> {
                let parse: fn(&str) -> Option<Self::Native> = $json;
                of_json(texts, tombstones, $name, |text| Some(parse(text)?.to_be_bytes().to_vec()))
            }
        }
    )*};
}

wire!(
    Int16Type => "short" |_| None,
    Int32Type => "integer" |_| None,
    Int64Type => "long" |text| text.parse().ok(),
    Float32Type => "float" |_| None,
    Float64Type => "double" |text| text.contains(['.', 'e', 'E']).then(|| text.parse().ok())?
);

struct NumberConverter<T>(PhantomData<T>);

struct BooleanConverter;

fn make<T: Wire>(_role: ConverterRole, _config: &ConfigMap) -> Result<Box<dyn Converter>, String> {
    Ok(Box::new(NumberConverter::<T>(PhantomData)))
}

fn make_boolean(_role: ConverterRole, _config: &ConfigMap) -> Result<Box<dyn Converter>, String> {
    Ok(Box::new(BooleanConverter))
}

impl<T: Wire> Converter for NumberConverter<T> {
    fn from_connect_data(
        &self,
        _topic: &str,
        field: &Field,
        values: &ArrayRef,
        tombstones: Option<&BooleanArray>,
    ) -> Result<BinaryArray, ConvertError> {
        if values.logical_null_count() == values.len() {
            return Ok(BinaryArray::new_null(values.len()));
        }
        if is_json(field) {
            return T::of_json(values.as_string(), tombstones);
        }
        let Some(numbers) = values.as_primitive_opt::<T>() else {
            return Err(refuse_type(T::NAME, values.data_type()));
        };
        let mut out = BinaryBuilder::with_capacity(values.len(), values.len() * T::Native::get_byte_width());
        numbers.values().iter().for_each(|value| T::append(*value, &mut out));
        Ok(with_nulls(out, numbers, tombstones))
    }

    fn to_connect_data(&self, _topic: &str, bytes: &BinaryArray) -> Result<Vec<Converted>, ConvertError> {
        let mut numbers = PrimitiveBuilder::<T>::with_capacity(bytes.len());
        for value in bytes {
            let number = value.map(|value| T::read(value).ok_or_else(|| refuse_length(T::NAME, value.len())));
            numbers.append_option(number.transpose()?);
        }
        Ok(converted(T::DATA_TYPE, Arc::new(numbers.finish())))
    }
}

impl Converter for BooleanConverter {
    fn from_connect_data(
        &self,
        _topic: &str,
        field: &Field,
        values: &ArrayRef,
        tombstones: Option<&BooleanArray>,
    ) -> Result<BinaryArray, ConvertError> {
        // Unlike a number's, a boolean's schema is looked at even where there is no value.
        let are_absent = tombstones.is_some_and(|tombstones| tombstones.true_count() == values.len());
        if are_absent || values.data_type() == &DataType::Null {
            return Ok(BinaryArray::new_null(values.len()));
        }
        if is_json(field) {
            return of_json(values.as_string(), tombstones, "boolean", |text| match text {
                "true" => Some(vec![1]),
                "false" => Some(vec![0]),
                _ => None,
            });
        }
        let Some(booleans) = values.as_boolean_opt() else {
            return Err(refuse_type("boolean", values.data_type()));
        };
        let mut out = BinaryBuilder::with_capacity(values.len(), values.len());
        booleans.values().iter().for_each(|value| out.append_value([u8::from(value)]));
        Ok(with_nulls(out, booleans, tombstones))
    }

    fn to_connect_data(&self, _topic: &str, bytes: &BinaryArray) -> Result<Vec<Converted>, ConvertError> {
        let mut booleans = BooleanBuilder::with_capacity(bytes.len());
        for value in bytes {
            match value {
                None => booleans.append_null(),
                Some([0]) => booleans.append_value(false),
                Some([1]) => booleans.append_value(true),
                Some([other]) => {
                    return Err(ConvertError::new(format!(
                        "Failed to deserialize boolean: unexpected byte {other:#04x}"
                    )));
                }
                Some(other) => return Err(refuse_length("boolean", other.len())),
            }
        }
        Ok(converted(DataType::Boolean, Arc::new(booleans.finish())))
    }
}

fn of_json(
    texts: &StringArray,
    tombstones: Option<&BooleanArray>,
    name: &str,
    convert: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<BinaryArray, ConvertError> {
    let convert = |text: &str| {
        convert(text.trim()).ok_or_else(|| ConvertError::new(format!("Failed to serialize to {name} (was {text})")))
    };
    let bytes = texts.iter().map(|text| text.map(convert).transpose()).collect::<Result<BinaryArray, _>>()?;
    let (offsets, values, nulls) = bytes.into_parts();
    Ok(BinaryArray::new(offsets, values, without_tombstones(nulls, tombstones)))
}

fn with_nulls(mut out: BinaryBuilder, values: &dyn Array, tombstones: Option<&BooleanArray>) -> BinaryArray {
    let (offsets, bytes, _) = out.finish().into_parts();
    BinaryArray::new(offsets, bytes, without_tombstones(values.nulls().cloned(), tombstones))
}

fn converted(data_type: DataType, values: ArrayRef) -> Vec<Converted> {
    let field = Arc::new(Field::new("value", data_type, true));
    vec![Converted { rows: None, field, values, tombstones: None }]
}

fn refuse_type(name: &str, found: &DataType) -> ConvertError {
    ConvertError::new(format!("Failed to serialize to {name} (was {found})"))
}

fn refuse_length(name: &str, length: usize) -> ConvertError {
    ConvertError::new(format!("Failed to deserialize {name}: the value has {length} bytes"))
}
