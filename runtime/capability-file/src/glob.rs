//! Globs on one name: `*`, `?`, `[a-z]`, `[!a-z]`.

/// Whether `name` fits `pattern`. Linear in both: only the last `*` is tried again.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut position) = (0, 0);
    let mut retry = None;
    while position < name.len() {
        if pattern.get(at) == Some(&'*') {
            retry = Some((at + 1, position));
            at += 1;
        } else if let Some(length) = one(&pattern[at..], name[position]) {
            at += length;
            position += 1;
        } else if let Some((behind_star, taken)) = retry {
            retry = Some((behind_star, taken + 1));
            at = behind_star;
            position = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|part| *part == '*')
}

/// How much of the pattern takes this character; `None` when it does not fit.
fn one(pattern: &[char], character: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => match pattern[1..].iter().skip(1).position(|part| *part == ']') {
            Some(end) => set(&pattern[1..end + 2], character).then_some(end + 3),
            None => (character == '[').then_some(1),
        },
        literal => (*literal == character).then_some(1),
    }
}

fn set(members: &[char], character: char) -> bool {
    let (negated, members) = match members.split_first() {
        Some(('!' | '^', rest)) if !rest.is_empty() => (true, rest),
        _ => (false, members),
    };
    let mut found = false;
    let mut at = 0;
    while at < members.len() {
        if at + 2 < members.len() && members[at + 1] == '-' {
            found |= (members[at]..=members[at + 2]).contains(&character);
            at += 3;
        } else {
            found |= members[at] == character;
            at += 1;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn globs_fit_names_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*.log", "a.log", true),
            ("*.log", "a.log.1", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("?", "ö", true),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[", "[", true),
            ("data-[0-9][0-9].csv", "data-07.csv", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_end_soon() {
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)));
    }
}
