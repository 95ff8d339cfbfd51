//! Counting by sequence id: what was lost, what came twice, what nobody sent.

use std::collections::BTreeMap;
use std::fmt;

/// What came out of a pipe that was fed the ids `1..=sent`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sequence {
    pub sent: u64,
    pub arrived: u64,
    pub lost: Vec<i64>,
    /// Ids that arrived more than once, with how often.
    pub twice: Vec<(i64, u64)>,
    pub strange: Vec<i64>,
}

impl Sequence {
    pub fn compare(sent: u64, arrived: impl IntoIterator<Item = i64>) -> Sequence {
        let mut times: BTreeMap<i64, u64> = BTreeMap::new();
        for id in arrived {
            *times.entry(id).or_default() += 1;
        }
        let sent_ids = 1..=sent as i64;
        Sequence {
            sent,
            arrived: times.values().sum(),
            lost: sent_ids.clone().filter(|id| !times.contains_key(id)).collect(),
            twice: times.iter().filter(|(_, times)| **times > 1).map(|(id, times)| (*id, *times)).collect(),
            strange: times.keys().copied().filter(|id| !sent_ids.contains(id)).collect(),
        }
    }

    /// Everything arrived exactly once.
    pub fn is_exact(&self) -> bool {
        self.lost.is_empty() && self.twice.is_empty() && self.strange.is_empty()
    }

    /// # Panics
    /// When anything was lost, came twice or was never sent.
    #[track_caller]
    pub fn assert_exact(&self, where_to: &str) {
        assert!(self.is_exact(), "{where_to}: {self}");
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in, {} out, {} lost, {} twice", self.sent, self.arrived, self.lost.len(), self.twice.len())?;
        if !self.strange.is_empty() {
            write!(f, ", {} never sent (first {})", self.strange.len(), self.strange[0])?;
        }
        if let (Some(first), Some(last)) = (self.lost.first(), self.lost.last()) {
            write!(f, "; lost from {first} to {last}")?;
        }
        if let (Some((first, times)), Some((last, _))) = (self.twice.first(), self.twice.last()) {
            write!(f, "; twice from {first} ({times} times) to {last}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_a_repetition_and_a_stranger_are_each_seen() {
        let sequence = Sequence::compare(5, [1, 2, 2, 4, 9]);
        assert_eq!((sequence.lost.as_slice(), sequence.strange.as_slice()), ([3, 5].as_slice(), [9].as_slice()));
        assert_eq!(sequence.twice, [(2, 2)]);
        assert!(!sequence.is_exact());
        assert_eq!(
            sequence.to_string(),
            "5 in, 5 out, 2 lost, 1 twice, 1 never sent (first 9); lost from 3 to 5; twice from 2 (2 times) to 2"
        );
        assert!(Sequence::compare(3, [3, 1, 2]).is_exact());
    }
}
