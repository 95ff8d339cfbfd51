//! A data directory on a filesystem that runs full, under the real process.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use sluice_harness::Scratch;
use sluice_torture::{Broker, GoodClient, Produced, skipped};

const SIZE_MIB: usize = 64;
/// Somebody else's file: it goes when the disk is full.
const BALLAST_MIB: usize = 24;
const VALUE_BYTES: usize = 50_000;

#[test]
fn a_full_disk_is_a_storage_error_and_what_was_acknowledged_stays_and_it_works_again_with_space() -> Result<()> {
    let scratch = Scratch::new()?;
    let disk = match Disk::mount(scratch.path("disk")) {
        Ok(disk) => disk,
        Err(reason) => {
            skipped(&format!("no small filesystem can be mounted: {reason:#}"));
            return Ok(());
        }
    };
    let ballast = disk.folder.join("ballast");
    fs::write(&ballast, vec![1; BALLAST_MIB << 20])?;
    let mut broker = Broker::on_data(disk.folder.join("data"))?;
    broker.start()?;
    broker.until_listening()?;
    let mut client = GoodClient::start(broker.address(), "orders", &[])?;
    let mut acknowledged = Vec::new();
    until_full(&mut client, &mut acknowledged)?;
    let before = acknowledged.len();
    ensure!(before > 100, "only {before} records fit");
    // Reading goes on, and refusing too.
    ensure!(read_back(&broker, &acknowledged)? == before, "a refused record is there");
    ensure!(client.produce(&value(u64::MAX))? == Produced::StorageError, "a full disk takes more");
    fs::remove_file(&ballast)?;
    for _ in 0..50 {
        let number = acknowledged.len() as u64;
        match client.produce(&value(number))? {
            Produced::At(offset) => acknowledged.push(offset),
            Produced::StorageError => {
                bail!("there is space again, and the broker takes nothing; {}", broker.log_text())
            }
        }
    }
    until_full(&mut client, &mut acknowledged)?;
    ensure!(acknowledged.len() > before + 50, "the space was not used");
    // It also starts on a full disk, and has everything.
    broker.kill()?;
    broker.start()?;
    broker.until_listening().context("on a full disk")?;
    let there = read_back(&broker, &acknowledged)?;
    ensure!(there == acknowledged.len(), "{there} records after a restart, {} were acknowledged", acknowledged.len());
    broker.kill()?;
    eprintln!("{before} records until it was full, {} in the end", acknowledged.len());
    Ok(())
}

fn until_full(client: &mut GoodClient, acknowledged: &mut Vec<i64>) -> Result<()> {
    for _ in 0..(SIZE_MIB << 20) / VALUE_BYTES {
        match client.produce(&value(acknowledged.len() as u64))? {
            Produced::At(offset) => acknowledged.push(offset),
            Produced::StorageError => return Ok(()),
        }
    }
    bail!("more was acknowledged than the disk holds")
}

/// Numbered, and different in every byte range, so that a wrong one is seen.
fn value(number: u64) -> Vec<u8> {
    number.to_be_bytes().repeat(VALUE_BYTES / 8)
}

/// How many of the records are at their offsets; anything else that is there is an error.
fn read_back(broker: &Broker, acknowledged: &[i64]) -> Result<usize> {
    let mut client = GoodClient::join(broker.address(), "orders")?;
    let mut count = 0;
    for (number, offset) in acknowledged.iter().enumerate() {
        let found = client.fetch(*offset, 1)?;
        ensure!(found.starts_with(&offset.to_be_bytes()), "what is at {offset} begins elsewhere");
        let value = value(number as u64);
        count += usize::from(found.windows(value.len()).any(|window| window == value));
    }
    let end = acknowledged.last().map_or(0, |last| last + 1);
    ensure!(client.fetch(end, 1)?.is_empty(), "something stands behind the last acknowledged record");
    Ok(count)
}

/// A tmpfs of its own.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    fn mount(folder: PathBuf) -> Result<Disk> {
        fs::create_dir_all(&folder)?;
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={SIZE_MIB}m"), "tmpfs"]).arg(&folder);
        let output = command.stdin(Stdio::null()).output().context("there is no `mount`")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(Disk { folder })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still has it open keeps it until then.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}
