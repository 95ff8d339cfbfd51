//! Structs: members in any order, missing ones as null or default.

use super::{Decoder, ReadError, ReadResult};
use crate::json::parser::{Parser, plain_len};
use arrow_schema::{FieldRef, Fields};

/// The members of one struct column, each with whether the row that is read had it.
pub struct Struct {
    pub fields: Fields,
    /// `"name":` as it mostly stands in the text; `None` for names that must be escaped.
    written_names: Vec<Option<Vec<u8>>>,
    pub members: Vec<(Decoder, bool)>,
    pub rows: usize,
}

impl Struct {
    pub fn new(fields: Fields, members: Vec<(Decoder, bool)>) -> Self {
        let written_names = fields.iter().map(|field| written_name(field.name())).collect();
        Self { fields, written_names, members, rows: 0 }
    }

    pub fn read(&mut self, parser: &mut Parser<'_>) -> ReadResult {
        if !parser.eat(b'{') {
            let found = parser.node_type();
            return ReadError::fail(format!("Structs should be encoded as JSON objects, but found {found}"));
        }
        self.rows += 1;
        self.members.iter_mut().for_each(|(_, seen)| *seen = false);
        let mut next = 0;
        if !parser.eat(b'}') {
            loop {
                match self.next_member(next, parser)? {
                    Some(index) => {
                        self.read_member(index, parser)?;
                        next = index + 1;
                    }
                    None => parser.skip()?,
                }
                if !parser.eat(b',') {
                    parser.expect(b'}', "expected a comma or the end of the object")?;
                    break;
                }
            }
        }
        for index in 0..self.members.len() {
            let (member, seen) = &mut self.members[index];
            if !*seen {
                member.append_absent().map_err(|error| self.inside(index, error))?;
            }
        }
        Ok(())
    }

    /// Reads a name and its colon. Members mostly come in the order of the schema.
    fn next_member(&self, next: usize, parser: &mut Parser<'_>) -> Result<Option<usize>, Box<ReadError>> {
        if let Some(Some(written)) = self.written_names.get(next)
            && parser.eat_text(written)
        {
            return Ok(Some(next));
        }
        let name = parser.text()?;
        parser.expect(b':', "expected a colon")?;
        Ok(self.find(&name, next))
    }

    fn find(&self, name: &[u8], next: usize) -> Option<usize> {
        let has_name = |field: &FieldRef| field.name().as_bytes() == name;
        match self.fields.get(next) {
            Some(field) if has_name(field) => Some(next),
            _ => self.fields.iter().position(has_name),
        }
    }

    fn read_member(&mut self, index: usize, parser: &mut Parser<'_>) -> ReadResult {
        let (member, seen) = &mut self.members[index];
        let result = match std::mem::replace(seen, true) {
            true => ReadError::fail("the member stands twice"),
            false => member.read(parser),
        };
        result.map_err(|error| self.inside(index, error))
    }

    fn inside(&self, index: usize, mut error: Box<ReadError>) -> Box<ReadError> {
        error.path.push(self.fields[index].name().clone());
        error
    }
}

fn written_name(name: &str) -> Option<Vec<u8>> {
    (plain_len(name.as_bytes()) == name.len()).then(|| format!("\"{name}\":").into_bytes())
}
