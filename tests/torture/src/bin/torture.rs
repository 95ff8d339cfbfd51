//! `cargo xtask torture [--kills N] [--seed N]`: the long form of the kill test.

use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use sluice_harness::Scratch;
use sluice_torture::{Ending, Plan, torture};

const KILLS: u64 = 1_000;

fn main() -> Result<()> {
    let plan = plan(std::env::args().skip(1))?;
    println!("seed {}: --seed {0} repeats the choices", plan.seed);
    let scratch = Scratch::new()?;
    match torture(&plan, &scratch) {
        Ok(report) => {
            println!("{report}");
            Ok(())
        }
        Err(error) => {
            println!("the data stays in {}", scratch.root().display());
            std::mem::forget(scratch);
            Err(error)
        }
    }
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Result<Plan> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    let (mut seed, mut kills) = (now, KILLS);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{argument} needs a value"))?;
        let number = value.parse().with_context(|| format!("{argument} {value}: want a number"))?;
        match argument.as_str() {
            "--kills" => kills = number,
            "--seed" => seed = number,
            _ => bail!("unknown option {argument}; there are --kills N and --seed N"),
        }
    }
    Ok(Plan { seed, ending: Ending::Killed(kills), value_bytes_max: 200 })
}
