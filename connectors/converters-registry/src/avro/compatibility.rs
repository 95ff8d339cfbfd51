//! Whether who knows one Avro schema can read what was written with another. Source: Java
//! `org.apache.avro.SchemaCompatibility`; the texts are Confluent's `Difference`.

use super::schema::{AvroSchema, Enum, Kind, Record, Schema};
use std::collections::{HashMap, HashSet};

/// Why not; empty: it can.
#[must_use]
pub fn incompatibilities(reader: &AvroSchema, writer: &AvroSchema) -> Vec<String> {
    let mut check = Check { reader, writer, known: HashMap::new() };
    let mut found = Vec::new();
    check.pair(&reader.root, &writer.root, "/", &mut found);
    let mut seen = HashSet::new();
    found.retain(|problem| seen.insert(problem.clone()));
    found
}

struct Check<'a> {
    reader: &'a AvroSchema,
    writer: &'a AvroSchema,
    /// Pairs of named types that are compared or being compared: those within are taken to fit.
    known: HashMap<(String, String), bool>,
}

/// One difference in Confluent's words; `%s` stands for `new` and `old`, which the registry fills in by direction.
fn difference(kind: &str, description: &str, info: &str) -> String {
    format!("{{errorType:'{kind}', description:'{description}', additionalInfo:'{info}'}}")
}

fn type_mismatch(reader: &Schema, writer: &Schema, path: &str) -> String {
    let (reader, writer) = (reader.type_name().to_uppercase(), writer.type_name().to_uppercase());
    difference(
        "TYPE_MISMATCH",
        &format!("The type (path '{path}') of a field in the %s schema does not match with the %s schema"),
        &format!("reader type: {reader} not compatible with writer type: {writer}"),
    )
}

fn below(path: &str, part: &str) -> String {
    if path == "/" { format!("/{part}") } else { format!("{path}/{part}") }
}

impl<'a> Check<'a> {
    /// Whether the pair fits.
    fn pair(&mut self, reader: &'a Schema, writer: &'a Schema, path: &str, found: &mut Vec<String>) -> bool {
        let (reader, writer) = (self.reader.resolve(reader), self.writer.resolve(writer));
        let names =
            (reader.name().is_some() && writer.name().is_some()).then(|| (reader.full_name(), writer.full_name()));
        if let Some(names) = &names
            && let Some(fits) = self.known.get(names)
            && *fits
        {
            return true;
        }
        if let Some(names) = &names {
            self.known.insert(names.clone(), true);
        }
        let before = found.len();
        self.unlike(reader, writer, path, found);
        let fits = found.len() == before;
        if let Some(names) = names {
            self.known.insert(names, fits);
        }
        fits
    }

    fn unlike(&mut self, reader: &'a Schema, writer: &'a Schema, path: &str, found: &mut Vec<String>) {
        match (&reader.kind, &writer.kind) {
            (_, Kind::Union(branches)) if !matches!(reader.kind, Kind::Union(_)) => {
                // Each branch may come.
                for branch in branches {
                    self.pair(reader, branch, path, found);
                }
            }
            (Kind::Union(readers), Kind::Union(writers)) => {
                for (index, branch) in writers.iter().enumerate() {
                    self.branch_of(readers, branch, &below(path, &index.to_string()), found);
                }
            }
            (Kind::Union(readers), _) => self.branch_of(readers, writer, path, found),
            (Kind::Array(reader), Kind::Array(writer)) => {
                self.pair(reader, writer, &below(path, "items"), found);
            }
            (Kind::Map(reader), Kind::Map(writer)) => {
                self.pair(reader, writer, &below(path, "values"), found);
            }
            (Kind::Fixed(reader_fixed), Kind::Fixed(writer_fixed)) => {
                name_mismatch(reader, writer, path, found);
                let (expected, given) = (reader_fixed.size, writer_fixed.size);
                if expected != given {
                    let path = below(path, "size");
                    found.push(difference(
                        "FIXED_SIZE_MISMATCH",
                        &format!(
                            "The size of FIXED type field at path '{path}' in the %s schema does not match with the %s schema"
                        ),
                        &format!("expected: {given}, found: {expected}"),
                    ));
                }
            }
            (Kind::Enum(reader_enum), Kind::Enum(writer_enum)) => {
                name_mismatch(reader, writer, path, found);
                missing_symbols(reader_enum, writer_enum, path, found);
            }
            (Kind::Record(reader_record), Kind::Record(writer_record)) => {
                name_mismatch(reader, writer, path, found);
                self.fields(reader_record, writer_record, path, found);
            }
            (reader_kind, writer_kind) => {
                if !is_same_or_promoted(reader_kind, writer_kind) {
                    found.push(type_mismatch(reader, writer, path));
                }
            }
        }
    }

    /// A value of `writer` must find a place among the reader's branches.
    fn branch_of(&mut self, readers: &'a [Schema], writer: &'a Schema, path: &str, found: &mut Vec<String>) {
        let fits = readers.iter().any(|reader| self.pair(reader, writer, path, &mut Vec::new()));
        if !fits {
            let writer = self.writer.resolve(writer).type_name().to_uppercase();
            found.push(difference(
                "MISSING_UNION_BRANCH",
                &format!("The %s schema is missing a type inside a union field at path '{path}' in the %s schema"),
                &format!("reader union lacking writer type: {writer}"),
            ));
        }
    }

    fn fields(&mut self, reader: &'a Record, writer: &'a Record, path: &str, found: &mut Vec<String>) {
        for (index, field) in reader.fields.iter().enumerate() {
            let path = below(&below(path, "fields"), &index.to_string());
            let by_name = |name: &str| writer.fields.iter().find(|written| written.name == name);
            let written = by_name(&field.name).or_else(|| field.aliases.iter().find_map(|alias| by_name(alias)));
            match written {
                Some(written) => {
                    self.pair(&field.schema, &written.schema, &below(&path, "type"), found);
                }
                None if field.default.is_none() && !self.has_enum_default(&field.schema) => {
                    let name = &field.name;
                    found.push(difference(
                        "READER_FIELD_MISSING_DEFAULT_VALUE",
                        &format!(
                            "The field '{name}' at path '{path}' in the %s schema has no default value and is missing in the %s schema"
                        ),
                        name,
                    ));
                }
                None => {}
            }
        }
    }

    fn has_enum_default(&self, schema: &Schema) -> bool {
        matches!(&self.reader.resolve(schema).kind, Kind::Enum(enumeration) if enumeration.default.is_some())
    }
}

fn name_mismatch(reader: &Schema, writer: &Schema, path: &str, found: &mut Vec<String>) {
    let (Some(reader_name), Some(writer_name)) = (reader.name(), writer.name()) else { return };
    let aliases = match &reader.kind {
        Kind::Record(record) => &record.aliases,
        Kind::Enum(enumeration) => &enumeration.aliases,
        Kind::Fixed(fixed) => &fixed.aliases,
        _ => return,
    };
    let namespace = reader_name.namespace.as_deref();
    let is_alias = |alias: &String| super::schema::Name::new(alias, namespace).full() == writer_name.full();
    // The namespace does not count.
    if reader_name.simple != writer_name.simple && !aliases.iter().any(is_alias) {
        let path = below(path, "name");
        found.push(difference(
            "NAME_MISMATCH",
            &format!("The name of the schema has changed (path '{path}')"),
            &format!("expected: {}", writer_name.full()),
        ));
    }
}

fn missing_symbols(reader: &Enum, writer: &Enum, path: &str, found: &mut Vec<String>) {
    let known: HashSet<&String> = reader.symbols.iter().collect();
    let missing: Vec<&str> =
        writer.symbols.iter().filter(|symbol| !known.contains(symbol)).map(String::as_str).collect();
    let has_default = reader.default.as_ref().is_some_and(|default| known.contains(default));
    if !missing.is_empty() && !has_default {
        let (missing, path) = (format!("[{}]", missing.join(", ")), below(path, "symbols"));
        found.push(difference(
            "MISSING_ENUM_SYMBOLS",
            &format!("The %s schema is missing enum symbols '{missing}' at path '{path}' in the %s schema"),
            &missing,
        ));
    }
}

fn is_same_or_promoted(reader: &Kind, writer: &Kind) -> bool {
    matches!(
        (reader, writer),
        (Kind::Null, Kind::Null)
            | (Kind::Boolean, Kind::Boolean)
            | (Kind::Int, Kind::Int)
            | (Kind::Long, Kind::Int | Kind::Long)
            | (Kind::Float, Kind::Int | Kind::Long | Kind::Float)
            | (Kind::Double, Kind::Int | Kind::Long | Kind::Float | Kind::Double)
            | (Kind::Bytes | Kind::String, Kind::Bytes | Kind::String)
    )
}
