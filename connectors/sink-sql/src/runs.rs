//! The order of the log, restored over batches that were grouped by schema.

/// Rows `start..start + length` of part `part`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub part: usize,
    pub start: usize,
    pub length: usize,
}

/// Cuts parts (their offsets, each ascending) into runs whose order is that of the offsets.
pub fn in_offset_order(parts: &[Vec<i64>]) -> Vec<Run> {
    let mut next = vec![0; parts.len()];
    let mut runs = Vec::new();
    loop {
        let head = |part: usize| parts[part].get(next[part]).copied();
        let Some((_, part)) = (0..parts.len()).filter_map(|part| Some((head(part)?, part))).min() else { return runs };
        let others = (0..parts.len()).filter(|&other| other != part).filter_map(head).min().unwrap_or(i64::MAX);
        let start = next[part];
        // At least one row, so that equal offsets cannot stop it.
        let length = 1 + parts[part][start + 1..].iter().take_while(|&&offset| offset < others).count();
        next[part] += length;
        runs.push(Run { part, start, length });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(parts: &[Vec<i64>]) -> Vec<(usize, usize, usize)> {
        in_offset_order(parts).into_iter().map(|run| (run.part, run.start, run.length)).collect()
    }

    #[test]
    fn rows_come_in_the_order_of_the_log() {
        assert_eq!(runs(&[vec![1, 2, 3]]), [(0, 0, 3)]);
        assert_eq!(runs(&[vec![1, 2, 5, 6], vec![3, 4, 7]]), [(0, 0, 2), (1, 0, 2), (0, 2, 2), (1, 2, 1)]);
        assert_eq!(runs(&[vec![], vec![4]]), [(1, 0, 1)]);
        assert_eq!(runs(&[vec![1, 3], vec![2]]), [(0, 0, 1), (1, 0, 1), (0, 1, 1)]);
        assert_eq!(runs(&[vec![1, 1], vec![1]]), [(0, 0, 1), (0, 1, 1), (1, 0, 1)]);
        assert!(runs(&[]).is_empty());
    }
}
