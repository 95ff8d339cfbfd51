//! The shape of each request, to check its lengths before anything is decoded.
//!
//! A decoder that makes room for as many elements as a request claims lets 20 bytes allocate gigabytes. So a request is
//! walked first: every array's count and every string's length is compared with the bytes that are left, and all
//! elements together are counted. What passes decodes with at most [`ELEMENTS_MAX`] elements.
//!
//! One line per API, as its fields stand in Kafka's message definitions (4.1):
//!
//! ```text
//! 1 2 4 8 16   bytes of a number, a boolean or a UUID       s  string      b  bytes
//! [ … ]        array of structs                             (…) array of one of the above
//! ?{ … }       struct that may be absent                    <tag@versions:field …> known tagged fields of a struct
//! @a+ @a-b     versions that have the field; none: all
//! ```

use std::collections::HashMap;
use std::sync::LazyLock;

/// More elements than this in one request, all arrays together, are refused.
pub const ELEMENTS_MAX: usize = 200_000;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    #[error("a request of api key {api_key} is not known")]
    UnknownApi { api_key: i16 },
    #[error("a request ends in the middle of a field")]
    Truncated,
    #[error("a request claims {count} elements in {available_bytes} bytes")]
    BadCount { count: i64, available_bytes: usize },
    #[error("a request claims a field of {length} bytes in {available_bytes}")]
    BadLength { length: i64, available_bytes: usize },
    #[error("a request has more than {ELEMENTS_MAX} elements")]
    TooManyElements,
}

/// Api key, first flexible version (KIP-482; -1: none), fields.
const APIS: &[(i16, i16, &str)] = &[
    (0, 9, "s 2 4 [ s@0-12 16@13+ [ 4 b ] ]"),
    (
        1,
        12,
        "4@0-14 4 4 4 1 4@7+ 4@7+ [ s@0-12 16@13+ [ 4 4@9+ 8 4@12+ 8@5+ 4 <0@17+:16 1@18+:8> ] ] \
         [@7+ s@0-12 16@13+ (4) ] s@11+ <0@12+:s 1@15+:{ 4 8 }>",
    ),
    (2, 6, "4 1@2+ [ s [ 4 4@4+ 8 ] ] 4@10+"),
    (3, 9, "[ 16@10+ s ] 1@4+ 1@8-10 1@8+"),
    (8, 8, "s 4 s s@7+ 8@0-4 [ s@0-9 16@10+ [ 4 8 4@6+ s ] ]"),
    (9, 6, "s@0-7 [@0-7 s (4) ] [@8+ s s@9+ 4@9+ [ s@0-9 16@10+ (4) ] ] 1@7+"),
    (10, 3, "s@0-3 1@1+ (s)@4+"),
    (11, 6, "s 4 4@1+ s s@5+ s [ s b ] s@8+"),
    (12, 4, "s 4 s s@3+"),
    (13, 4, "s s@0-2 [@3+ s s s@5+ ]"),
    (14, 4, "s 4 s s@3+ s@5+ s@5+ [ s b ]"),
    (15, 5, "(s) 1@3+"),
    (16, 3, "(s)@4+ (s)@5+"),
    (18, 3, "s@3+ s@3+ s@5+ 4@5+"),
    (19, 5, "[ s 4 2 [ 4 (4) ] [ s s ] ] 4 1"),
    (20, 4, "[@6+ s 16 ] (s)@0-5 4"),
    (21, 2, "[ s [ 4 8 ] ] 4"),
    (22, 2, "s 4 8@3+ 2@3+ 1@6+ 1@6+"),
    (23, 4, "4@3+ [ s [ 4 4 4 ] ]"),
    (24, 3, "s@0-3 8@0-3 2@0-3 [@0-3 s (4) ] [@4+ s 8 2 1 [ s (4) ] ]"),
    (25, 3, "s 8 2 s"),
    (26, 3, "s 8 2 1"),
    (27, 1, "[ 8 2 1 [ s (4) ] 4 1@2+ ]"),
    (28, 3, "s s 8 2 4@3+ s@3+ s@3+ [ s [ 4 8 4@2+ s ] ]"),
    (32, 4, "[ 1 s (s) ] 1 1@3+"),
    (33, 2, "[ 1 s [ s s ] ] 1"),
    (35, 2, "[ s (4) ]"),
    (37, 2, "[ s 4 [ (4) ] ] 4 1"),
    (42, 2, "(s)"),
    (43, 2, "1@1+ [ s (4) ] 4"),
    (44, 1, "[ 1 s [ s 1 s ] ] 1"),
    (45, 0, "4 1@1+ [ s [ 4 (4) ] ]"),
    (46, 0, "4 [ s (4) ]"),
    (47, -1, "s [ s [ 4 ] ]"),
    (60, 0, "1 1@1+ 1@2+"),
    (61, 0, "[ s (4) ]"),
    (65, 0, "(s)"),
    (66, 0, "(s) (8) 8@1+ s@2+"),
    (74, 0, "(1)@1+"),
    (75, 0, "[ s ] 4 ?{ s 4 }"),
];

#[derive(Debug)]
pub(crate) enum Kind {
    Fixed(usize),
    Text,
    Blob,
    /// The element is a struct when it is flexible-aware, else a single field.
    Array(Box<Element>),
    OptionalStruct(Struct),
    Struct(Struct),
}

#[derive(Debug)]
pub(crate) enum Element {
    Struct(Struct),
    Single(Kind),
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) kind: Kind,
    from: i16,
    to: i16,
}

impl Field {
    pub(crate) fn is_in(&self, version: i16) -> bool {
        (self.from..=self.to).contains(&version)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Struct {
    pub(crate) fields: Vec<Field>,
    pub(crate) tagged: Vec<(u32, Field)>,
}

pub(crate) static SHAPES: LazyLock<HashMap<i16, (i16, Struct)>> = LazyLock::new(|| {
    APIS.iter()
        .map(|(api_key, flexible, text)| {
            let spaced = text.replace('[', " [").replace('>', " >");
            let mut words = spaced.split_whitespace().peekable();
            (*api_key, (*flexible, parse_struct(&mut words, "")))
        })
        .collect()
});

type Words<'a, 'b> = std::iter::Peekable<std::str::SplitWhitespace<'b>>;

fn parse_struct(words: &mut Words<'_, '_>, end: &str) -> Struct {
    let mut parsed = Struct::default();
    while let Some(word) = words.next() {
        if word == end {
            break;
        }
        if let Some(first) = word.strip_prefix('<') {
            parse_tagged(first, words, &mut parsed);
        } else {
            parsed.fields.push(parse_field(word, words));
        }
    }
    parsed
}

fn parse_tagged(first: &str, words: &mut Words<'_, '_>, parsed: &mut Struct) {
    let mut word = first;
    loop {
        let (head, kind) = word.split_once(':').expect("a tagged field is tag@versions:field");
        let (tag, versions) = head.split_once('@').expect("a tagged field has versions");
        let (from, to) = parse_versions(versions);
        let field = Field { from, to, ..parse_field(kind, words) };
        parsed.tagged.push((tag.parse().expect("a tag is a number"), field));
        match words.next() {
            None | Some(">") => return,
            Some(next) => word = next,
        }
    }
}

fn parse_field(word: &str, words: &mut Words<'_, '_>) -> Field {
    let (kind, versions) = word.split_once('@').unwrap_or((word, "0+"));
    let (from, to) = parse_versions(versions);
    let kind = match kind {
        "s" => Kind::Text,
        "b" => Kind::Blob,
        "[" => Kind::Array(Box::new(Element::Struct(parse_struct(words, "]")))),
        "?{" => Kind::OptionalStruct(parse_struct(words, "}")),
        "{" => Kind::Struct(parse_struct(words, "}")),
        "(s)" => Kind::Array(Box::new(Element::Single(Kind::Text))),
        _ => match kind.strip_prefix('(').and_then(|kind| kind.strip_suffix(')')) {
            Some(bytes) => Kind::Array(Box::new(Element::Single(Kind::Fixed(bytes.parse().expect("a size"))))),
            None => Kind::Fixed(kind.parse().expect("a size")),
        },
    };
    Field { kind, from, to }
}

fn parse_versions(text: &str) -> (i16, i16) {
    let number = |text: &str| text.parse().expect("versions are a+ or a-b");
    match text.split_once('-') {
        Some((from, to)) => (number(from), number(to)),
        None => (number(text.trim_end_matches('+')), i16::MAX),
    }
}

/// Whether the requests of this API have tagged fields and compact lengths at this version; `None`: its shape is not
/// known here. Source: KIP-482.
#[must_use]
pub fn is_flexible(api_key: i16, version: i16) -> Option<bool> {
    SHAPES.get(&api_key).map(|(flexible, _)| *flexible >= 0 && version >= *flexible)
}

/// Walks the body of a request and returns its length. Bytes that follow it are left alone, as Kafka leaves them.
///
/// # Errors
/// [`ShapeError`]; the body must then not be decoded.
pub fn check_request(api_key: i16, version: i16, body: &[u8]) -> Result<usize, ShapeError> {
    let (flexible, shape) = SHAPES.get(&api_key).ok_or(ShapeError::UnknownApi { api_key })?;
    let flexible = *flexible >= 0 && version >= *flexible;
    let mut walk = Walk { rest: body, version, flexible, elements: 0 };
    walk.structure(shape)?;
    Ok(body.len() - walk.rest.len())
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements: usize,
}

impl Walk<'_> {
    fn structure(&mut self, shape: &Struct) -> Result<(), ShapeError> {
        let version = self.version;
        for field in shape.fields.iter().filter(|field| field.is_in(version)) {
            self.kind(&field.kind)?;
        }
        if !self.flexible {
            return Ok(());
        }
        let count = self.varint()?;
        // Each takes at least its tag and its size.
        self.count(i64::from(count), 2)?;
        for _ in 0..count {
            let tag = self.varint()?;
            let size = self.varint()?;
            match shape.tagged.iter().find(|(known, field)| *known == tag && field.is_in(version)) {
                // Decoders read a known field by its type, whatever its size says.
                Some((_, field)) => self.kind(&field.kind)?,
                None => self.skip(i64::from(size))?,
            }
        }
        Ok(())
    }

    fn kind(&mut self, kind: &Kind) -> Result<(), ShapeError> {
        match kind {
            Kind::Fixed(bytes) => self.skip(*bytes as i64),
            Kind::Text => {
                let length = if self.flexible { self.compact_length()? } else { i64::from(self.number::<2>()?) };
                self.nullable(length)
            }
            Kind::Blob => {
                let length = self.length()?;
                self.nullable(length)
            }
            Kind::Array(element) => {
                let count = self.length()?;
                if count == -1 {
                    return Ok(());
                }
                let least = match &**element {
                    Element::Single(Kind::Fixed(bytes)) => *bytes,
                    _ => 1,
                };
                self.count(count, least)?;
                for _ in 0..count {
                    match &**element {
                        Element::Struct(shape) => self.structure(shape)?,
                        Element::Single(kind) => self.kind(kind)?,
                    }
                }
                Ok(())
            }
            Kind::OptionalStruct(shape) => {
                let present = self.number::<1>()? == 1;
                if present { self.structure(shape) } else { Ok(()) }
            }
            Kind::Struct(shape) => self.structure(shape),
        }
    }

    fn count(&mut self, count: i64, least_bytes: usize) -> Result<(), ShapeError> {
        let available_bytes = self.rest.len();
        let fits = usize::try_from(count).is_ok_and(|count| count <= available_bytes / least_bytes);
        if !fits {
            return Err(ShapeError::BadCount { count, available_bytes });
        }
        self.elements += count as usize;
        if self.elements > ELEMENTS_MAX { Err(ShapeError::TooManyElements) } else { Ok(()) }
    }

    /// Of an array or of bytes; -1: null.
    fn length(&mut self) -> Result<i64, ShapeError> {
        if self.flexible { self.compact_length() } else { Ok(i64::from(self.number::<4>()?)) }
    }

    fn compact_length(&mut self) -> Result<i64, ShapeError> {
        Ok(i64::from(self.varint()?) - 1)
    }

    fn nullable(&mut self, length: i64) -> Result<(), ShapeError> {
        if length == -1 { Ok(()) } else { self.skip(length) }
    }

    fn skip(&mut self, length: i64) -> Result<(), ShapeError> {
        let available_bytes = self.rest.len();
        let rest = usize::try_from(length).ok().and_then(|length| self.rest.get(length..));
        self.rest = rest.ok_or(ShapeError::BadLength { length, available_bytes })?;
        Ok(())
    }

    /// A big-endian number of up to four bytes, with its sign.
    fn number<const N: usize>(&mut self) -> Result<i32, ShapeError> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(ShapeError::Truncated)?;
        self.rest = rest;
        let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
        Ok(bytes.iter().fold(sign, |number, byte| (number << 8) | i32::from(*byte)))
    }

    fn varint(&mut self) -> Result<u32, ShapeError> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(ShapeError::Truncated)?;
            self.rest = rest;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Ok(value)
    }
}
