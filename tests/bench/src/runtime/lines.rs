//! The file that file sources read: lines of a web server's log, each 100 bytes with its line end.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write as _};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sluice_harness::AccessLog;

pub const LINE_BYTES: usize = 100;
const STEP_BYTES: usize = 1 << 20;

pub fn write(path: &Path, lines: u64) -> Result<()> {
    let mut file = BufWriter::with_capacity(STEP_BYTES, File::create(path)?);
    let mut log = AccessLog::new(1);
    for _ in 0..lines {
        let mut line = log.line();
        line.truncate(LINE_BYTES - 1);
        writeln!(file, "{line:-<width$}", width = LINE_BYTES - 1)?;
    }
    Ok(file.flush()?)
}

/// Both hold the same bytes.
pub fn ensure_same(sent: &Path, arrived: &Path) -> Result<()> {
    let open = |path: &Path| File::open(path).map(BufReader::new).with_context(|| path.display().to_string());
    let (mut ones, mut others) = (open(sent)?, open(arrived)?);
    let (mut one, mut other) = (Vec::with_capacity(STEP_BYTES), Vec::with_capacity(STEP_BYTES));
    let mut position = 0;
    loop {
        one.clear();
        other.clear();
        ones.by_ref().take(STEP_BYTES as u64).read_to_end(&mut one)?;
        others.by_ref().take(STEP_BYTES as u64).read_to_end(&mut other)?;
        ensure!(one == other, "{} is not {}: behind byte {position}", arrived.display(), sent.display());
        if one.is_empty() {
            return Ok(());
        }
        position += one.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_line_that_is_missing_or_came_twice_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (sent, arrived) = (folder.path().join("sent"), folder.path().join("arrived"));
        write(&sent, 3).unwrap();
        let text = fs::read(&sent).unwrap();
        assert_eq!(text.len(), 3 * LINE_BYTES);
        fs::write(&arrived, &text).unwrap();
        ensure_same(&sent, &arrived).unwrap();
        fs::write(&arrived, &text[LINE_BYTES..]).unwrap();
        assert!(ensure_same(&sent, &arrived).is_err());
        fs::write(&arrived, [&text[..], &text[..LINE_BYTES]].concat()).unwrap();
        assert!(ensure_same(&sent, &arrived).is_err());
    }
}
