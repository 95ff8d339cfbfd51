//! A JSON reader over one row's bytes: tokens on demand, nothing built.
//!
//! As Kafka's `JsonDeserializer` it accepts leading zeros in numbers and nests at most [`DEPTH_MAX`] deep; unlike it, an
//! escape that is half a surrogate pair is an error, since the text could not be stored as Unicode.

use std::borrow::Cow;

/// Nesting of a value that no schema bounds. Source: Jackson `StreamReadConstraints.DEFAULT_MAX_DEPTH`.
const DEPTH_MAX: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {at}")]
pub struct JsonError {
    pub at: usize,
    pub problem: &'static str,
}

pub type JsonResult<T> = Result<T, JsonError>;

pub struct Parser<'a> {
    bytes: &'a [u8],
    pub at: usize,
    /// Positions of leading zeros, which are not JSON.
    pub leading_zeros: Vec<usize>,
}

impl<'a> Parser<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, leading_zeros: Vec::new() }
    }

    pub fn error<T>(&self, problem: &'static str) -> JsonResult<T> {
        Err(JsonError { at: self.at, problem })
    }

    pub fn span(&self, from: usize) -> &'a [u8] {
        &self.bytes[from..self.at]
    }

    /// The next byte that is no blank, not consumed.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    pub fn eat_text(&mut self, text: &[u8]) -> bool {
        let found = self.peek().is_some() && self.bytes[self.at..].starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    #[inline]
    pub fn expect(&mut self, byte: u8, problem: &'static str) -> JsonResult<()> {
        if self.eat(byte) { Ok(()) } else { self.error(problem) }
    }

    pub fn end(&mut self) -> JsonResult<()> {
        if self.peek().is_none() { Ok(()) } else { self.error("unexpected text behind the value") }
    }

    pub fn literal(&mut self, word: &str) -> JsonResult<()> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return self.error("expected a JSON value");
        }
        self.at += word.len();
        Ok(())
    }

    /// The text of a number, its grammar checked.
    pub fn number(&mut self) -> JsonResult<&'a [u8]> {
        self.peek();
        let start = self.at;
        self.at += usize::from(self.bytes.get(start) == Some(&b'-'));
        let first = self.at;
        if self.digits() == 0 {
            return self.error("expected a JSON value");
        }
        for zero in first..self.at - 1 {
            if self.bytes[zero] != b'0' {
                break;
            }
            self.leading_zeros.push(zero);
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return self.error("expected a digit");
            }
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return self.error("expected a digit");
            }
        }
        Ok(self.span(start))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - start
    }

    /// Appends the text of a string. Not checked: whether its bytes are UTF-8.
    pub fn string(&mut self, out: &mut Vec<u8>) -> JsonResult<()> {
        self.expect(b'"', "expected a string")?;
        loop {
            let plain = plain_len(&self.bytes[self.at..]);
            out.extend_from_slice(&self.bytes[self.at..self.at + plain]);
            self.at += plain;
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape(out)?,
                Some(_) => return self.error("a control character must be escaped"),
                None => return self.error("the string does not end"),
            }
        }
    }

    /// The text of a string, borrowed when nothing in it is escaped.
    pub fn text(&mut self) -> JsonResult<Cow<'a, [u8]>> {
        self.peek();
        let start = self.at;
        if self.bytes.get(start) == Some(&b'"') {
            let end = start + 1 + plain_len(&self.bytes[start + 1..]);
            if self.bytes.get(end) == Some(&b'"') {
                self.at = end + 1;
                return Ok(Cow::Borrowed(&self.bytes[start + 1..end]));
            }
        }
        let mut text = Vec::new();
        self.string(&mut text)?;
        Ok(Cow::Owned(text))
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> JsonResult<()> {
        self.at += 1;
        let character = match self.bytes.get(self.at) {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(character @ (b'"' | b'\\' | b'/')) => *character,
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape(out);
            }
            _ => return self.error("unknown escape"),
        };
        self.at += 1;
        out.push(character);
        Ok(())
    }

    fn unicode_escape(&mut self, out: &mut Vec<u8>) -> JsonResult<()> {
        let high = self.hex4()?;
        let code = match high {
            0xD800..=0xDBFF if self.bytes[self.at..].starts_with(b"\\u") => {
                self.at += 2;
                let low = self.hex4()?;
                if !(0xDC00..=0xDFFF).contains(&low) {
                    return self.error("half a surrogate pair");
                }
                0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
            }
            other => other,
        };
        let Some(character) = char::from_u32(code) else { return self.error("half a surrogate pair") };
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn hex4(&mut self) -> JsonResult<u32> {
        let digits = self.bytes.get(self.at..self.at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else { return self.error("expected four hexadecimal digits") };
        self.at += 4;
        Ok(digits.iter().fold(0, |code, digit| code * 16 + (*digit as char).to_digit(16).expect("checked above")))
    }

    /// Steps over one value, checking that it is JSON.
    pub fn skip(&mut self) -> JsonResult<()> {
        self.skip_nested(0)
    }

    fn skip_nested(&mut self, depth: usize) -> JsonResult<()> {
        if depth > DEPTH_MAX {
            return self.error("nested too deeply");
        }
        match self.peek() {
            Some(b'"') => self.skip_string(),
            Some(b'{') => {
                self.at += 1;
                if self.eat(b'}') {
                    return Ok(());
                }
                loop {
                    self.peek();
                    self.skip_string()?;
                    self.expect(b':', "expected a colon")?;
                    self.skip_nested(depth + 1)?;
                    if !self.eat(b',') {
                        return self.expect(b'}', "expected a comma or the end of the object");
                    }
                }
            }
            Some(b'[') => {
                self.at += 1;
                if self.eat(b']') {
                    return Ok(());
                }
                loop {
                    self.skip_nested(depth + 1)?;
                    if !self.eat(b',') {
                        return self.expect(b']', "expected a comma or the end of the array");
                    }
                }
            }
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => self.number().map(|_| ()),
        }
    }

    fn skip_string(&mut self) -> JsonResult<()> {
        self.expect(b'"', "expected a string")?;
        loop {
            self.at += plain_len(&self.bytes[self.at..]);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape(&mut Vec::new())?,
                Some(_) => return self.error("a control character must be escaped"),
                None => return self.error("the string does not end"),
            }
        }
    }

    /// What kind of value comes next, for messages. Source: Jackson `JsonNodeType`.
    pub fn node_type(&mut self) -> &'static str {
        match self.peek() {
            Some(b'"') => "STRING",
            Some(b'{') => "OBJECT",
            Some(b'[') => "ARRAY",
            Some(b't' | b'f') => "BOOLEAN",
            Some(b'n') => "NULL",
            Some(b'-' | b'0'..=b'9') => "NUMBER",
            _ => "MISSING",
        }
    }
}

/// How many bytes at the start stand for themselves in a JSON string: up to a quote, a backslash or a control character.
#[inline]
pub fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let special = has_zero(word ^ (ONES * b'"' as u64)) | has_zero(word ^ (ONES * b'\\' as u64)) | control;
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes[at..].iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    rest.map_or(bytes.len(), |rest| at + rest)
}
