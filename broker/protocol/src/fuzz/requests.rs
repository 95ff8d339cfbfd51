//! Requests of every API and version, made from the same shapes that guard the decoder.

use super::Random;
use crate::request::{Element, Field, Kind, SHAPES, Struct};

/// What a request is made of.
pub struct Words<'a> {
    /// Names that mean something to whoever is asked.
    pub texts: &'a [&'a str],
    pub numbers: &'a [i64],
    /// For bytes: record batches, members' metadata.
    pub blobs: &'a [Vec<u8>],
    pub uuids: &'a [[u8; 16]],
}

/// A well-formed body; `None`: the API's shape is not known here.
#[must_use]
pub fn request(api_key: i16, version: i16, words: &Words<'_>, random: &mut Random) -> Option<Vec<u8>> {
    let (first_flexible, shape) = SHAPES.get(&api_key)?;
    let flexible = *first_flexible >= 0 && version >= *first_flexible;
    let mut writer = Writer { out: Vec::new(), version, flexible, words, random, depth: 0 };
    writer.structure(shape);
    Some(writer.out)
}

struct Writer<'a, 'r> {
    out: Vec<u8>,
    version: i16,
    flexible: bool,
    words: &'a Words<'a>,
    random: &'r mut Random,
    depth: usize,
}

impl Writer<'_, '_> {
    fn structure(&mut self, shape: &Struct) {
        let version = self.version;
        for field in shape.fields.iter().filter(|field| field.is_in(version)) {
            self.kind(&field.kind);
        }
        if self.flexible {
            self.tagged(&shape.tagged);
        }
    }

    fn tagged(&mut self, known: &[(u32, Field)]) {
        let version = self.version;
        let mut there: Vec<(u32, Vec<u8>)> = Vec::new();
        for (tag, field) in known.iter().filter(|(_, field)| field.is_in(version)) {
            if self.random.below(3) == 0 {
                let before = std::mem::take(&mut self.out);
                self.kind(&field.kind);
                there.push((*tag, std::mem::replace(&mut self.out, before)));
            }
        }
        if self.random.below(20) == 0 {
            there.push((1000, vec![7; self.random.below(5)]));
        }
        self.varint(there.len() as u32);
        for (tag, bytes) in there {
            self.varint(tag);
            self.varint(bytes.len() as u32);
            self.out.extend_from_slice(&bytes);
        }
    }

    fn kind(&mut self, kind: &Kind) {
        match kind {
            Kind::Fixed(16) => {
                let uuid = *self.random.one_of(self.words.uuids);
                self.out.extend_from_slice(&uuid);
            }
            Kind::Fixed(1) => {
                let value =
                    if self.random.below(8) == 0 { self.random.number() as u8 } else { self.random.below(2) as u8 };
                self.out.push(value);
            }
            Kind::Fixed(width) => {
                let number = self.random.one_of(self.words.numbers).to_be_bytes();
                self.out.extend_from_slice(&number[8 - width..]);
            }
            Kind::Text => self.text(),
            Kind::Blob => {
                let blob = self.random.one_of(self.words.blobs).clone();
                self.length(Some(blob.len()));
                self.out.extend_from_slice(&blob);
            }
            Kind::Array(element) => self.array(element),
            Kind::OptionalStruct(shape) => {
                let present = self.random.below(2) == 1;
                self.out.push(if present { 1 } else { 0xff });
                if present {
                    self.structure(shape);
                }
            }
            Kind::Struct(shape) => self.structure(shape),
        }
    }

    fn array(&mut self, element: &Element) {
        // Null here and there, which some arrays may be.
        if self.random.below(16) == 0 {
            return self.length(None);
        }
        let count = if self.depth == 0 { 1 + self.random.below(3) } else { self.random.below(3) };
        self.length(Some(count));
        self.depth += 1;
        for _ in 0..count {
            match element {
                Element::Struct(shape) => self.structure(shape),
                Element::Single(kind) => self.kind(kind),
            }
        }
        self.depth -= 1;
    }

    fn text(&mut self) {
        let text: Option<Vec<u8>> = match self.random.below(24) {
            0 => None,
            1 => Some((0..self.random.below(12)).map(|_| self.random.number() as u8).collect()),
            2 => Some(vec![b'x'; self.random.below(600)]),
            _ => Some(self.random.one_of(self.words.texts).as_bytes().to_vec()),
        };
        let length = text.as_ref().map_or(-1, |text| text.len() as i64);
        if self.flexible {
            self.varint((length + 1) as u32);
        } else {
            self.out.extend_from_slice(&(length as i16).to_be_bytes());
        }
        self.out.extend_from_slice(&text.unwrap_or_default());
    }

    fn length(&mut self, length: Option<usize>) {
        let length = length.map_or(-1, |length| length as i32);
        if self.flexible {
            self.varint((length + 1) as u32);
        } else {
            self.out.extend_from_slice(&length.to_be_bytes());
        }
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}
