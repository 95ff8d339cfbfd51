//! Names of Connect as names of Avro. Source: Confluent `AvroData.scrubName`, `splitName`.

use super::options::AvroOptions;
use super::schema::Name;

/// With `scrub.invalid.names` what is no Avro name becomes one: URL-encoded, then `_` for each character that is left over.
#[must_use]
pub fn scrub(name: &str, options: &AvroOptions) -> String {
    if !options.scrub_invalid_names || name.is_empty() {
        return name.to_owned();
    }
    let is_plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    if name.chars().all(is_plain) && !name.starts_with(|first: char| first.is_ascii_digit()) {
        return name.to_owned();
    }
    let mut scrubbed = String::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        match byte {
            // `URLEncoder` leaves these, and writes a blank as `+`.
            b'.' | b'-' | b'*' | b' ' => scrubbed.push('_'),
            byte if is_plain(char::from(byte)) => scrubbed.push(char::from(byte)),
            byte => scrubbed.push_str(&format!("_{byte:02X}")),
        }
    }
    if scrubbed.starts_with(|first: char| first.is_ascii_digit()) {
        scrubbed.insert(0, 'x');
    }
    scrubbed
}

/// The Avro name of a Connect name: what stands before the last dot is the namespace.
#[must_use]
pub fn split(name: &str, options: &AvroOptions) -> Name {
    let parts: Vec<String> = name.split('.').map(|part| scrub(part, options)).collect();
    let (simple, namespace) = parts.split_last().expect("a split has at least one part");
    Name { namespace: (!namespace.is_empty()).then(|| namespace.join(".")), simple: simple.clone() }
}
