//! Obtains what tests need from package registries, at pinned versions, into the user's cache: `~/.cache/sluice/services/<suite>`.
//!
//! A folder there is named after the digest of what it was made from; it is made once, under a lock, and then only used.
//! What it is not: it knows no program and no version; those stand with the suites.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

const LOG_LINES_SHOWN: usize = 40;

/// A tool of the machine without which a program cannot run, and the command to get it.
#[derive(Debug, Clone, Copy)]
pub struct Missing {
    pub tool: &'static str,
    pub get: &'static str,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "needs {}: {}", self.tool, self.get)
    }
}

/// A program that can be started, or the tool that it lacks.
pub type Obtained = Result<Command, Missing>;

const JAVA: &[Missing] = &[
    Missing { tool: "javac", get: "apt-get install -y default-jdk-headless" },
    Missing { tool: "mvn", get: "apt-get install -y maven" },
];

/// The first of these tools that is not on the path.
#[must_use]
pub fn first_missing(tools: &[Missing]) -> Option<Missing> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    tools.iter().find(|missing| !folders.iter().any(|folder| folder.join(missing.tool).exists())).copied()
}

/// One suite's folder in the cache.
#[derive(Debug, Clone, Copy)]
pub struct Cache {
    pub suite: &'static str,
}

impl Cache {
    /// # Errors
    /// When there is no home directory.
    pub fn folder(&self) -> Result<PathBuf> {
        let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
        let base = base.context("neither XDG_CACHE_HOME nor a home directory is known")?;
        Ok(base.join("sluice/services").join(self.suite))
    }

    /// The folder made from these files; `make` gets the folder and the file for the output of what it runs.
    ///
    /// # Errors
    /// What `make` says; the half-made folder is made anew the next time.
    pub fn made(&self, name: &str, inputs: &[&Path], make: impl FnOnce(&Path, &Path) -> Result<()>) -> Result<PathBuf> {
        made_in(&self.folder()?, name, inputs, make)
    }

    /// A JVM with the jars of `pom` and the classes of `programs` on its path; what is to be run is left to the caller.
    ///
    /// # Errors
    /// When Maven or the compiler fails; the end of their output is in the error.
    pub fn java(&self, pom: &Path, programs: &[PathBuf]) -> Result<Obtained> {
        if let Some(missing) = first_missing(JAVA) {
            return Ok(Err(missing));
        }
        let jars = self.made("java-jars", &[pom], |folder, log| {
            let mut maven = Command::new("mvn");
            maven.args(["-B", "-ntp", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
            maven.arg("-f").arg(pom).arg(format!("-DoutputDirectory={}", folder.display()));
            run(&mut maven, log)
        })?;
        let all_jars = format!("{}/*", jars.display());
        let inputs: Vec<&Path> = programs.iter().map(PathBuf::as_path).chain([pom]).collect();
        let classes = self.made("java-classes", &inputs, |folder, log| {
            run(Command::new("javac").args(["-cp", &all_jars, "-d"]).arg(folder).args(programs), log)
        })?;
        let mut command = Command::new("java");
        command.arg("-cp").arg(format!("{}:{all_jars}", classes.display()));
        Ok(Ok(command))
    }
}

/// As [`Cache::made`], in a folder of the caller's choice.
///
/// # Errors
/// As [`Cache::made`].
pub fn made_in(
    parent: &Path,
    name: &str,
    inputs: &[&Path],
    make: impl FnOnce(&Path, &Path) -> Result<()>,
) -> Result<PathBuf> {
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let mut digest = Sha256::new();
    for input in inputs {
        let bytes = fs::read(input).with_context(|| format!("cannot read {}", input.display()))?;
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    }
    let digest: String = digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let folder = parent.join(format!("{name}-{digest}"));
    let ready = parent.join(format!("{name}-{digest}.ready"));
    let lock = File::create(parent.join(format!("{name}.lock")))?;
    lock.lock().with_context(|| format!("cannot lock the cache {}", parent.display()))?;
    if ready.exists() {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove the half-made {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    println!("obtaining {}", folder.display());
    make(&folder, &parent.join(format!("{name}-{digest}.log")))?;
    File::create(ready)?;
    Ok(folder)
}

/// The files of a folder that end so, by name.
///
/// # Errors
/// When the folder cannot be read.
pub fn sources(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|it| it == extension));
    files.sort();
    Ok(files)
}

/// Copies files into a folder, under their names.
///
/// # Errors
/// When one cannot be copied.
pub fn copy(files: &[&Path], folder: &Path) -> Result<()> {
    for file in files {
        let name = file.file_name().context("a source has a name")?;
        fs::copy(file, folder.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(())
}

/// Runs a command with its output in `log`.
///
/// # Errors
/// When it cannot be started or fails; the end of its output is in the error.
pub fn run(command: &mut Command, log: &Path) -> Result<()> {
    let file = File::create(log)?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}; {}", tail(log));
    }
    Ok(())
}

/// The last lines of a log, for an error.
#[must_use]
pub fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
    format!("the end of {}:\n{}", log.display(), shown.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_once_and_anew_when_its_inputs_change() {
        let parent = std::env::temp_dir().join(format!("sluice-obtain-{}", std::process::id()));
        fs::create_dir_all(&parent).unwrap();
        let input = parent.join("input");
        let mut times = 0;
        for (text, expected) in [("a", 1), ("a", 1), ("b", 2)] {
            fs::write(&input, text).unwrap();
            let folder = made_in(&parent, "x", &[&input], |folder, _| {
                times += 1;
                Ok(fs::write(folder.join("made"), text)?)
            });
            assert_eq!(fs::read_to_string(folder.unwrap().join("made")).unwrap(), text);
            assert_eq!(times, expected);
        }
        let failed = made_in(&parent, "y", &[&input], |_, _| bail!("no"));
        assert!(failed.is_err());
        assert!(made_in(&parent, "y", &[&input], |_, _| Ok(())).is_ok());
        fs::remove_dir_all(&parent).unwrap();
    }
}
