//! Reading everything, and saying what is not what was written.

use super::dump::{Files, ScannedFile, check_batch};
use super::{Overlay, named, open, read_whole, topic_names};
use crate::block::{Block, Kind};
use crate::producers::{SNAPSHOT_NAME, decode_snapshot};
use crate::recovery::LostOffsets;
use crate::sidecar::{Sidecar, sidecar_name};
use crate::storage::Storage;
use crate::{Log, OpenError, TopicId};
use sluice_protocol::batches;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Bytes of a crash that were never known durable: the next start cuts them off.
    Torn,
    /// A file that is put together from others: the next start does without it.
    Derived,
    /// What was acknowledged is no longer what was written.
    Damage,
}

/// Offsets that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    pub topic: String,
    pub partition: i32,
    pub base_offset: i64,
    /// One past the last.
    pub end_offset: i64,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// A file, and where in it.
    pub place: String,
    pub what: String,
    /// As far as it is known.
    pub affected: Vec<Affected>,
}

/// What was looked at, and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    pub files: usize,
    pub bytes: u64,
    pub blocks: u64,
    pub batches: u64,
    pub topics: usize,
    pub problems: Vec<Problem>,
}

impl VerifyReport {
    /// Whether something is not what was written; a torn tail is what a crash leaves.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity > Severity::Torn)
    }
}

/// Reads every file: blocks, batches and records against their checksums and offsets, indexes against their files, the
/// partitions against the offsets that they should have. Changes nothing.
///
/// # Errors
/// [`OpenError`] when a file cannot be read at all, or was written by a newer version.
pub fn verify(storage: &Arc<dyn Storage>) -> Result<VerifyReport, OpenError> {
    let mut report = VerifyReport::default();
    let log = match open(Overlay::new(storage.clone())) {
        Ok((log, _)) => Some(log),
        Err(error @ OpenError::NewerFormat { .. }) => return Err(error),
        Err(error) => {
            let what = format!("it does not open: {error}");
            report.problems.push(Problem {
                severity: Severity::Damage,
                place: "the log".into(),
                what,
                affected: Vec::new(),
            });
            None
        }
    };
    let names = log.as_ref().map(topic_names).unwrap_or_default();
    let mut spans = Spans::default();
    for file in Files::list(storage)? {
        let file = file?;
        report.files += 1;
        report.bytes += file.info.size_bytes;
        check_file(&file, &names, &mut report)?;
        check_sidecar(&file, &mut report);
        spans.add(&file);
    }
    check_snapshot(storage, &mut report);
    if let Some(log) = &log {
        report.topics = log.topics().len();
        spans.check(log, &names, &mut report);
    }
    report.problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    Ok(report)
}

fn affected(names: &HashMap<TopicId, Arc<str>>, lost: &LostOffsets) -> Affected {
    Affected {
        topic: named(names, lost.topic),
        partition: lost.partition,
        base_offset: lost.base_offset,
        end_offset: lost.end_offset,
    }
}

fn check_file(
    file: &ScannedFile,
    names: &HashMap<TopicId, Arc<str>>,
    report: &mut VerifyReport,
) -> Result<(), OpenError> {
    let name = &file.info.name;
    for damaged in &file.info.damaged {
        let what = match &damaged.offsets {
            Some(_) => format!("a block of {} bytes does not match its checksums", damaged.size_bytes),
            None => format!("{} bytes hold no block that can be recognised", damaged.size_bytes),
        };
        report.problems.push(Problem {
            severity: Severity::Damage,
            place: format!("{name} at byte {}", damaged.position),
            what,
            affected: damaged.offsets.iter().map(|lost| affected(names, lost)).collect(),
        });
    }
    if let Some(torn) = &file.info.torn {
        report.problems.push(Problem {
            severity: Severity::Torn,
            place: format!("{name} at byte {}", torn.position),
            what: format!("{} bytes of a write that a crash cut short; the next start cuts them off", torn.size_bytes),
            affected: torn.offsets.iter().map(|lost| affected(names, lost)).collect(),
        });
    }
    for block in file.blocks.iter().filter(|block| block.kind == Kind::Records) {
        report.blocks += 1;
        if let Err(what) = check_block(file, block, &mut report.batches)? {
            let lost = Affected {
                topic: named(names, block.topic),
                partition: block.partition,
                base_offset: block.base_offset,
                end_offset: block.end_offset(),
            };
            report.problems.push(Problem {
                severity: Severity::Damage,
                place: format!("{name} at byte {}", block.position),
                what,
                affected: vec![lost],
            });
        }
    }
    Ok(())
}

/// The batches of a block whose own checksum matches.
fn check_block(file: &ScannedFile, block: &Block, count: &mut u64) -> Result<Result<(), String>, OpenError> {
    let payload = file.payload(block)?;
    let mut next = block.base_offset;
    for batch in batches(&payload) {
        *count += 1;
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => return Ok(Err(format!("a record batch cannot be read: {error}"))),
        };
        let (base, last) = (batch.base_offset(), batch.last_offset());
        if base < next || last >= block.end_offset() {
            let (from, to) = (block.base_offset, block.end_offset());
            return Ok(Err(format!("a batch of offsets {base} to {last} lies in a block of {from} to {}", to - 1)));
        }
        if let Err(what) = check_batch(&batch) {
            return Ok(Err(format!("the batch at offset {base}: {what}")));
        }
        next = last + 1;
    }
    Ok(Ok(()))
}

fn check_sidecar(file: &ScannedFile, report: &mut VerifyReport) {
    let what = match &file.sidecar {
        None => return,
        Some(Err(what)) => what.clone(),
        Some(Ok(sidecar)) => match misplaced(sidecar, &file.blocks) {
            None => return,
            Some(what) => what,
        },
    };
    report.problems.push(Problem {
        severity: Severity::Derived,
        place: sidecar_name(file.number),
        what: format!("the index cannot be believed: {what}; without it the file is read at the next start"),
        affected: Vec::new(),
    });
}

/// An entry that does not lead to the blocks that it names. Damaged blocks are found by themselves.
fn misplaced(sidecar: &Sidecar, blocks: &[Block]) -> Option<String> {
    let at: HashMap<u32, &Block> = blocks.iter().map(|block| (block.position, block)).collect();
    let readable: HashSet<(TopicId, i32, i64)> =
        blocks.iter().map(|block| (block.topic, block.partition, block.base_offset)).collect();
    for entry in &sidecar.chunks {
        for run in &entry.chunk.runs {
            let found = at.get(&run.position);
            let matches = found.is_some_and(|block| {
                (block.topic, block.partition, block.base_offset) == (entry.topic, entry.partition, run.base_offset)
            });
            if !matches && (found.is_some() || readable.contains(&(entry.topic, entry.partition, run.base_offset))) {
                return Some(format!("its entry for offset {} leads to byte {}", run.base_offset, run.position));
            }
        }
    }
    None
}

fn check_snapshot(storage: &Arc<dyn Storage>, report: &mut VerifyReport) {
    let Ok(bytes) = read_whole(&**storage, SNAPSHOT_NAME) else { return };
    if decode_snapshot(&bytes).is_none() {
        report.problems.push(Problem {
            severity: Severity::Derived,
            place: SNAPSHOT_NAME.into(),
            what: "the saved state of producers does not match its checksum; the next start reads every batch instead"
                .into(),
            affected: Vec::new(),
        });
    }
}

/// Which offsets of each partition some file has.
#[derive(Default)]
struct Spans {
    found: HashMap<(TopicId, i32), Vec<Span>>,
    /// Known to be damaged, or cut off: told already.
    told: HashMap<(TopicId, i32), Vec<(i64, i64)>>,
    /// Somewhere a block is gone whose partition nobody knows.
    nameless: bool,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    base: i64,
    end: i64,
    epoch: i32,
}

impl Spans {
    fn add(&mut self, file: &ScannedFile) {
        for block in &file.blocks {
            let span = Span { base: block.base_offset, end: block.end_offset(), epoch: block.leader_epoch };
            self.found.entry((block.topic, block.partition)).or_default().push(span);
        }
        let torn = file.info.torn.iter().flat_map(|torn| &torn.offsets);
        let damaged = file.info.damaged.iter().filter_map(|damaged| damaged.offsets.as_ref());
        for lost in torn.chain(damaged) {
            self.told.entry((lost.topic, lost.partition)).or_default().push((lost.base_offset, lost.end_offset));
        }
        self.nameless |= file.info.damaged.iter().any(|damaged| damaged.offsets.is_none());
    }

    /// Offsets that no file has. A recovery leaves such a gap too, and raises the epoch: those are fine.
    fn check(mut self, log: &Log, names: &HashMap<TopicId, Arc<str>>, report: &mut VerifyReport) {
        for topic in log.topics() {
            for partition in log.partitions(&topic.name).unwrap_or_default() {
                let key = (topic.id, partition.partition);
                let mut spans = self.found.remove(&key).unwrap_or_default();
                spans.sort_by_key(|span| (span.base, span.end));
                let told = self.told.get(&key).map(Vec::as_slice).unwrap_or_default();
                let gaps = gaps(&spans, partition.log_start_offset);
                for (base_offset, end_offset) in gaps {
                    if told.iter().any(|(base, end)| *base < end_offset && *end > base_offset) {
                        continue;
                    }
                    let because =
                        if self.nameless { "they may be those of an unrecognised block" } else { "a file is missing" };
                    let what = format!("{} offsets are in no file: {because}", end_offset - base_offset);
                    report.problems.push(Problem {
                        severity: Severity::Damage,
                        place: format!("{}-{}", topic.name, partition.partition),
                        what,
                        affected: vec![Affected {
                            topic: named(names, topic.id),
                            partition: partition.partition,
                            base_offset,
                            end_offset,
                        }],
                    });
                }
            }
        }
    }
}

fn gaps(spans: &[Span], log_start_offset: i64) -> Vec<(i64, i64)> {
    let mut found = Vec::new();
    // Before the first record a partition has the first epoch.
    let (mut expected, mut epoch) = (log_start_offset, 0);
    for span in spans.iter().filter(|span| span.end > log_start_offset) {
        if span.base > expected && span.epoch <= epoch {
            found.push((expected, span.base));
        }
        if span.end > expected {
            (expected, epoch) = (span.end, epoch.max(span.epoch));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_a_loss_unless_a_recovery_left_it() {
        let span = |base, end, epoch| Span { base, end, epoch };
        assert_eq!(gaps(&[span(0, 5, 0), span(5, 9, 0)], 0), []);
        assert_eq!(gaps(&[span(0, 5, 0), span(7, 9, 0), span(8, 12, 0)], 0), [(5, 7)]);
        assert_eq!(gaps(&[span(0, 5, 0), span(7, 9, 1)], 0), []);
        assert_eq!(gaps(&[span(4, 5, 0)], 0), [(0, 4)]);
        assert_eq!(gaps(&[span(0, 5, 0), span(7, 9, 0)], 7), [], "retention took what was before");
    }
}
