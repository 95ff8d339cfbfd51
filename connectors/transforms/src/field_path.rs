//! The way to a field: one name (V1), or names joined by dots with backticks around those that hold dots (V2, KIP-821).

/// The names from the outside in.
///
/// # Errors
/// A backtick that is opened and not closed in front of a dot or the end.
pub fn parse(path: &str, version: &str) -> Result<Vec<String>, String> {
    if version == "V1" || path.is_empty() {
        return Ok(vec![path.to_owned()]);
    }
    let mut steps = Vec::new();
    let mut rest = path;
    loop {
        let (step, behind) = match rest.strip_prefix('`') {
            Some(quoted) => parse_quoted(quoted).ok_or_else(|| {
                format!("Incomplete backtick pair in path: [{path}], consider adding a backslash before backtick at position {} to escape it", path.len() - rest.len())
            })?,
            None => match rest.split_once('.') {
                Some((step, _)) => (step.to_owned(), &rest[step.len()..]),
                None => (rest.to_owned(), ""),
            },
        };
        steps.push(step);
        match behind.strip_prefix('.') {
            Some(next) => rest = next,
            None => return Ok(steps),
        }
    }
}

/// The text up to the backtick that a dot or the end follows, and what is behind it.
fn parse_quoted(quoted: &str) -> Option<(String, &str)> {
    let mut step = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let behind = &quoted[at + character.len_utf8()..];
        match character {
            '\\' if behind.starts_with('`') => {
                // Escaped only where it could be taken for the end.
                characters.next();
                step.push('`');
            }
            '`' if behind.is_empty() || behind.starts_with('.') => return Some((step, behind)),
            other => step.push(other),
        }
    }
    None
}
