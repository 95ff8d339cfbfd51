//! Java's `.properties` format. Source: `java.util.Properties.load`.

use std::collections::BTreeMap;

/// Keys and values; of a key that is given twice the last counts.
pub fn parse(text: &str) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        // An odd number of backslashes at its end continues a line.
        while logical.chars().rev().take_while(|character| *character == '\\').count() % 2 == 1 {
            logical.pop();
            let Some(next) = lines.next() else { break };
            logical.push_str(next.trim_start());
        }
        let (key, value) = split(&logical);
        pairs.insert(unescape(key), unescape(value));
    }
    pairs
}

/// At the first `=`, `:` or blank that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut is_escaped = false;
    for (at, character) in line.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if character == '\\' {
            is_escaped = true;
        } else if matches!(character, '=' | ':' | ' ' | '\t') {
            let rest = line[at..].trim_start();
            let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (&line[..at], value.trim_start());
        }
    }
    (line, "")
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let code: String = characters.by_ref().take(4).collect();
                out.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn properties_are_read_as_java_reads_them() {
        let text = "# comment\n! comment\nname=local-file-source\n  tasks.max : 1\nfile   /tmp/a b\nkey\\=x = y\\\n   z\nempty=\nu=\\u00e9\\t\n";
        let pairs = parse(text);
        let expected = [
            ("empty", ""),
            ("file", "/tmp/a b"),
            ("key=x", "yz"),
            ("name", "local-file-source"),
            ("tasks.max", "1"),
            ("u", "é\t"),
        ];
        assert_eq!(pairs, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    }
}
