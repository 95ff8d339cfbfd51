//! What a bench's command line says.

use anyhow::{Context, Result, bail};

/// `--runs N` (default 5) and `--scale F` (default 1: the size that the claim names; less is for trying the bench itself).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    pub runs: usize,
    pub scale: f64,
}

impl Options {
    pub fn from_arguments() -> Result<Options> {
        Ok(Options::parse(std::env::args().skip(1), &[])?.0)
    }

    /// With the rows that the command line names, of those that there are; all of them when it names none.
    pub fn with_rows<'a>(known: &[&'a str]) -> Result<(Options, Vec<&'a str>)> {
        let (options, named) = Options::parse(std::env::args().skip(1), known)?;
        Ok((options, if named.is_empty() { known.to_vec() } else { named }))
    }

    fn parse<'a>(mut arguments: impl Iterator<Item = String>, known: &[&'a str]) -> Result<(Options, Vec<&'a str>)> {
        let mut options = Options { runs: 5, scale: 1.0 };
        let mut named = Vec::new();
        while let Some(argument) = arguments.next() {
            if !known.is_empty() && !argument.starts_with("--") {
                let row = known.iter().find(|row| **row == argument);
                named.push(*row.with_context(|| format!("no row {argument}; there are: {}", known.join(", ")))?);
                continue;
            }
            let value = arguments.next().with_context(|| format!("{argument} needs a value"))?;
            match argument.as_str() {
                "--runs" => options.runs = value.parse().with_context(|| format!("--runs {value}: want a number"))?,
                "--scale" => {
                    options.scale = value.parse().with_context(|| format!("--scale {value}: want a number"))?
                }
                _ => bail!("unknown option {argument}; there are --runs N and --scale F"),
            }
        }
        if options.runs == 0 || options.scale <= 0.0 {
            bail!("--runs and --scale must be above zero");
        }
        Ok((options, named))
    }

    /// A size of the claim, scaled.
    pub fn sized(&self, full: u64) -> u64 {
        ((full as f64 * self.scale) as u64).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_scale_are_read_and_anything_else_is_refused() {
        let parse = |text: &str| Options::parse(text.split_whitespace().map(str::to_owned), &[]).map(|(it, _)| it);
        assert_eq!(parse("--runs 2 --scale 0.1").unwrap(), Options { runs: 2, scale: 0.1 });
        assert_eq!(parse("--scale 0.1").unwrap().sized(1_000), 100);
        assert!(parse("chain").is_err());
        assert!(parse("--fast").is_err());
        assert!(parse("--speed 3").is_err());
        assert!(parse("--runs 0").is_err());
    }

    #[test]
    fn rows_are_named_among_the_options() {
        let parse = |text: &str| Options::parse(text.split_whitespace().map(str::to_owned), &["chain", "many"]);
        assert_eq!(parse("many --runs 2 chain").unwrap().1, ["many", "chain"]);
        assert_eq!(parse("--runs 2").unwrap().1, [""; 0]);
        assert!(parse("few").is_err());
    }
}
