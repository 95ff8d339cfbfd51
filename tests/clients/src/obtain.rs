//! Obtains what the client programs need, at pinned versions, into the user's cache: `~/.cache/sluice/services/clients`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use sluice_obtain::{Cache, copy, first_missing, made_in, run};
pub use sluice_obtain::{Missing, Obtained};

/// The clients' part of the cache.
const CACHE: Cache = Cache { suite: "clients" };

const PYTHON: &[Missing] = &[Missing { tool: "python3", get: "apt-get install -y python3 python3-venv" }];
const NODE: &[Missing] = &[Missing { tool: "npm", get: "apt-get install -y nodejs npm" }];
const GO: &[Missing] = &[Missing { tool: "go", get: "apt-get install -y golang" }];
const KCAT: &[Missing] = &[Missing { tool: "kcat", get: "apt-get install -y --no-install-recommends kcat" }];
const DEBIAN: &[Missing] = &[Missing { tool: "dpkg-deb", ..KCAT[0] }, Missing { tool: "apt-get", ..KCAT[0] }];

/// The virtualenv's Python with one of the programs in `python/`.
pub fn python(program: &str) -> Result<Obtained> {
    if let Some(missing) = first_missing(PYTHON) {
        return Ok(Err(missing));
    }
    let requirements = source("python/requirements.txt");
    let folder = CACHE.made("python", &[&requirements], |folder, log| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")), log)?;
        run(Command::new(folder.join("venv/bin/pip")).args(["install", "--no-deps", "-r"]).arg(&requirements), log)
    })?;
    let mut command = Command::new(folder.join("venv/bin/python"));
    command.arg("-u").arg(source("python").join(program));
    Ok(Ok(command))
}

/// A JVM with Kafka's jars and the classes of `java/`; what is to be run is left to the caller.
pub fn java() -> Result<Obtained> {
    let mut command = match CACHE.java(&source("java/pom.xml"), &sources("java", "java")?)? {
        Ok(command) => command,
        Err(missing) => return Ok(Err(missing)),
    };
    let log4j = source("java/log4j2.properties");
    // Short lives: the first compiler and the plainest collector start quickest and take least from the others.
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]);
    command.arg(format!("-Dlog4j2.configurationFile=file:{}", log4j.display()));
    Ok(Ok(command))
}

/// Node with one of the programs in `node/`, which stands where it finds its modules.
pub fn node(program: &str) -> Result<Obtained> {
    if let Some(missing) = first_missing(NODE) {
        return Ok(Err(missing));
    }
    let (package, lock) = (source("node/package.json"), source("node/package-lock.json"));
    let sources = sources("node", "mjs")?;
    let modules = CACHE.made("node", &[&package, &lock], |folder, log| {
        copy(&[&package, &lock], folder)?;
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder), log)
    })?;
    let all: Vec<&Path> = sources.iter().map(PathBuf::as_path).collect();
    // Beside the modules, because Node looks for them upwards from the program.
    let programs = made_in(&modules, "programs", &all, |folder, _| copy(&all, folder))?;
    let mut command = Command::new("node");
    command.arg(programs.join(program));
    Ok(Ok(command))
}

/// One of the two commands in `go/`, built.
pub fn go(program: &str) -> Result<Obtained> {
    if let Some(missing) = first_missing(GO) {
        return Ok(Err(missing));
    }
    let mut sources = vec![source("go/go.mod"), source("go/go.sum")];
    for folder in ["go/protocol", "go/franz", "go/sarama"] {
        sources.extend(self::sources(folder, "go")?);
    }
    let all: Vec<&Path> = sources.iter().map(PathBuf::as_path).collect();
    let folder = CACHE.made("go", &all, |folder, log| {
        let mut go = Command::new("go");
        go.current_dir(source("go")).args(["build", "-mod=readonly", "-modcacherw", "-o"]).arg(folder).arg("./...");
        go.env("GOMODCACHE", CACHE.folder()?.join("go-modules"))
            .env("GOCACHE", CACHE.folder()?.join("go-build"))
            .env("CGO_ENABLED", "0");
        run(&mut go, log)
    })?;
    Ok(Ok(Command::new(folder.join(program))))
}

/// `kcat` of the system; else Debian's, unpacked into the cache, which needs no rights.
pub fn kcat() -> Result<Obtained> {
    if first_missing(KCAT).is_none() {
        return Ok(Ok(Command::new("kcat")));
    }
    if let Some(missing) = first_missing(DEBIAN) {
        return Ok(Err(missing));
    }
    let unpacked = CACHE.made("kcat", &[], |folder, log| {
        let packages = ["download", "kcat", "librdkafka1", "libyajl2"];
        run(Command::new("apt-get").args(packages).current_dir(folder), log)?;
        for entry in fs::read_dir(folder)? {
            run(Command::new("dpkg-deb").arg("-x").arg(entry?.path()).arg(folder), log)?;
        }
        Ok(())
    });
    let Ok(folder) = unpacked else {
        return Ok(Err(KCAT[0]));
    };
    let mut command = Command::new(folder.join("usr/bin/kcat"));
    command.env("LD_LIBRARY_PATH", folder.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH)));
    Ok(Ok(command))
}

/// A file or folder of this crate.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files of a folder of this crate that end so, by name.
fn sources(folder: &str, extension: &str) -> Result<Vec<PathBuf>> {
    sluice_obtain::sources(&source(folder), extension)
}
