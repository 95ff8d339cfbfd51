//! Where and why a payload does not fit its schema.

use crate::json::parser::JsonError;

/// Why a value does not fit its schema, and where in it.
#[derive(Debug)]
pub struct ReadError {
    /// Field names from the inside out.
    pub path: Vec<String>,
    problem: String,
}

pub type ReadResult = Result<(), Box<ReadError>>;

impl ReadError {
    pub fn fail<T>(problem: impl Into<String>) -> Result<T, Box<Self>> {
        Err(Box::new(Self { path: Vec::new(), problem: problem.into() }))
    }
}

impl From<JsonError> for Box<ReadError> {
    fn from(error: JsonError) -> Self {
        Box::new(ReadError { path: Vec::new(), problem: error.to_string() })
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.problem);
        }
        let path: Vec<&str> = self.path.iter().rev().map(String::as_str).collect();
        write!(f, "{} (field {:?})", self.problem, path.join("."))
    }
}
