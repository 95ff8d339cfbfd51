//! Which tables are read, and by which task.

use regex_lite::Regex;

/// The table lists of a config; at most one of white- and blacklist is given.
#[derive(Debug, Default)]
pub struct TableFilter {
    pub whitelist: Vec<String>,
    pub blacklist: Vec<String>,
    pub include: Vec<Regex>,
    pub exclude: Vec<Regex>,
}

impl TableFilter {
    pub fn accepts(&self, table: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == table);
        let matches = |patterns: &[Regex]| patterns.iter().any(|pattern| is_whole_match(pattern, table));
        (self.whitelist.is_empty() || named(&self.whitelist))
            && !named(&self.blacklist)
            && (self.include.is_empty() || matches(&self.include))
            && !matches(&self.exclude)
    }
}

/// As Java's `Pattern.matches`.
fn is_whole_match(pattern: &Regex, text: &str) -> bool {
    pattern.find_iter(text).any(|found| found.start() == 0 && found.end() == text.len())
}

/// At most `groups` groups of neighbours, their sizes differing by one at most. Kafka: `ConnectorUtils.groupPartitions`.
pub fn group<T: Clone>(items: &[T], groups: usize) -> Vec<Vec<T>> {
    let groups = groups.clamp(1, items.len().max(1));
    let (size, larger) = (items.len() / groups, items.len() % groups);
    let mut rest = items;
    let mut answer = Vec::with_capacity(groups);
    for index in 0..groups {
        let (group, behind) = rest.split_at(size + usize::from(index < larger));
        answer.push(group.to_vec());
        rest = behind;
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_exact_and_patterns_match_whole_names() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let patterns =
            |patterns: &[&str]| patterns.iter().map(|pattern| Regex::new(pattern).unwrap()).collect::<Vec<_>>();
        let whitelist = TableFilter { whitelist: names(&["a", "b"]), ..TableFilter::default() };
        assert!(whitelist.accepts("a") && !whitelist.accepts("ab"));
        let blacklist = TableFilter { blacklist: names(&["a"]), ..TableFilter::default() };
        assert!(!blacklist.accepts("a") && blacklist.accepts("b"));
        let both =
            TableFilter { include: patterns(&["ord.*"]), exclude: patterns(&[".*_old"]), ..TableFilter::default() };
        assert!(both.accepts("orders") && !both.accepts("orders_old") && !both.accepts("my_orders"));
        assert!(TableFilter::default().accepts("anything"));
    }

    #[test]
    fn tables_are_divided_evenly_and_none_is_lost() {
        assert_eq!(group(&[1, 2, 3, 4, 5], 2), [vec![1, 2, 3], vec![4, 5]]);
        assert_eq!(group(&[1, 2], 5), [vec![1], vec![2]]);
        assert_eq!(group::<i32>(&[], 3), [Vec::<i32>::new()]);
    }
}
