//! Clients that want the broker's memory. Each time: what the process ever held stays bounded (`VmHWM`), and a client that behaves is
//! answered meanwhile.

mod bombs;
mod greedy;

use anyhow::Result;
use sluice_harness::Scratch;
use sluice_torture::Broker;

const MIB: u64 = 1 << 20;

/// A running broker in a folder of its own.
struct Running {
    broker: Broker,
    idle_bytes: u64,
    scratch: Scratch,
}

impl Running {
    fn start() -> Result<Running> {
        let scratch = Scratch::new()?;
        let mut broker = Broker::in_folder(&scratch)?;
        broker.start()?;
        broker.until_listening()?;
        let idle_bytes = broker.usage()?.peak_rss_bytes;
        Ok(Running { broker, idle_bytes, scratch })
    }

    /// The most that the process held since its start, over what it held then.
    #[track_caller]
    fn refuse_more_than(&self, mib: u64) -> Result<()> {
        let peak = self.broker.usage()?.peak_rss_bytes;
        let grown = peak.saturating_sub(self.idle_bytes);
        eprintln!("idle {} MiB, grown by {} MiB", self.idle_bytes / MIB, grown / MIB);
        assert!(
            grown <= mib * MIB,
            "the broker grew by {} MiB, {mib} are the bound; idle it had {}",
            grown / MIB,
            self.idle_bytes / MIB
        );
        Ok(())
    }
}
