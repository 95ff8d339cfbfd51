//! What a plugin can do to its host: be refused when it is loaded, or fail while it runs. Never more.

use sluice_connect_api::{ConnectError, ErrorKind};
use std::path::PathBuf;
use wasmtime::Trap;

/// Why a file is not accepted as a plugin. Each names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(
        "{name} is not a WebAssembly component: it does not begin with the WebAssembly magic; install the .wasm file that the build made"
    )]
    NotWasm { name: String },
    #[error(
        "{name} is a core WebAssembly module, not a component; link it with wasm-component-ld or wrap it with wit-component"
    )]
    CoreModule { name: String },
    #[error("{name} is no valid WebAssembly component: {reason}; build it again")]
    Invalid { name: String, reason: String },
    #[error(
        "{name} exports no sluice:connector interface; export source-task, sink-task or transformation beside connector"
    )]
    NoPlugin { name: String },
    #[error(
        "{name} is built for sluice:connector@{found}, this hub runs {supported}; rebuild it with a matching SDK, or use a matching hub"
    )]
    UnsupportedAbi { name: String, found: String, supported: &'static str },
    #[error("{name} imports {imports}, which this hub does not have; leave it out, or use a hub that offers it")]
    UnknownImport { name: String, imports: String },
    #[error(
        "{name} imports the capability {capability:?} without declaring it; add {capability:?} to the capabilities of its definition"
    )]
    UndeclaredCapability { name: String, capability: String },
    #[error(
        "{name} wants the capability {capability:?}, which this hub does not have (it has {offered}); use a hub that offers it"
    )]
    UnknownCapability { name: String, capability: String, offered: String },
    #[error("the definition of {name} is wrong: {reason}; correct what its describe answers")]
    Definition { name: String, reason: String },
    #[error("{name} failed while it described itself: {reason}")]
    Describe { name: String, reason: String },
    #[error("cannot read {}: {source}; check the path and its permissions", path.display())]
    Read { path: PathBuf, source: std::io::Error },
}

/// Why the host itself cannot start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("cannot use {} for compiled plugins: {reason}; name another cache folder", path.display())]
    CacheFolder { path: PathBuf, reason: String },
    #[error("cannot start the WebAssembly engine: {reason}")]
    Engine { reason: String },
}

/// Why a call ended the guest that was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Trapped,
    Deadline,
    Memory,
    Stack,
    Output,
    Timeout,
}

/// The guest computed longer than its deadline; thrown by the epoch callback.
#[derive(Debug, thiserror::Error)]
#[error("it computed for more than {limit:?} without calling the host")]
pub(crate) struct DeadlineExceeded {
    pub limit: std::time::Duration,
}

impl Failure {
    fn code(self) -> &'static str {
        match self {
            Self::Trapped => "plugin.trapped",
            Self::Deadline => "plugin.deadline",
            Self::Memory => "plugin.memory",
            Self::Stack => "plugin.stack",
            Self::Output => "plugin.output",
            Self::Timeout => "plugin.timeout",
        }
    }

    fn of(error: &wasmtime::Error, chain: &str) -> Self {
        if error.downcast_ref::<DeadlineExceeded>().is_some() {
            return Self::Deadline;
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => Self::Stack,
            Some(_) => Self::Trapped,
            None if chain.contains("when growing memory") => Self::Memory,
            None if chain.contains("fuel allocated for hostcalls") => Self::Output,
            None => Self::Trapped,
        }
    }
}

/// A guest's end as the task's failure: what happened, the guest's own panic message, and where in the guest.
pub(crate) fn failed(plugin: &str, call: &str, error: &wasmtime::Error, panic: Option<&str>) -> ConnectError {
    let chain: Vec<String> = error.chain().map(ToString::to_string).filter(|text| !is_backtrace(text)).collect();
    let mut reason = chain.join(": ");
    let failure = Failure::of(error, &reason);
    let remedy = match failure {
        Failure::Memory => "; it went above its memory limit",
        Failure::Output => "; it handed over more bytes than one call may",
        _ => "",
    };
    reason.push_str(remedy);
    if let Some(panic) = panic {
        reason = format!("{panic} ({reason})");
    }
    let frames = frames(error);
    let place = if frames.is_empty() { String::new() } else { format!(", in {}", frames.join(" < ")) };
    ConnectError::new(ErrorKind::Fatal, failure.code(), format!("plugin {plugin} failed in {call}: {reason}{place}"))
}

pub(crate) fn timed_out(plugin: &str, call: &str, limit: std::time::Duration) -> ConnectError {
    let message = format!("plugin {plugin} failed in {call}: the call took longer than {limit:?} and was stopped");
    ConnectError::fatal(Failure::Timeout.code(), message)
}

/// wasmtime puts its backtrace into the chain as an error of its own.
fn is_backtrace(text: &str) -> bool {
    text.starts_with("error while executing at wasm backtrace")
}

/// The innermost functions of the guest, without the runtime's own.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    const FRAMES_MAX: usize = 4;
    let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else {
        return Vec::new();
    };
    let names = backtrace.frames().iter().filter_map(|frame| Some(readable(frame.func_name()?)));
    let own = |name: &String| !RUNTIME_FRAMES.iter().any(|prefix| name.starts_with(prefix));
    names.filter(own).take(FRAMES_MAX).collect()
}

const RUNTIME_FRAMES: [&str; 5] = ["core::panicking", "std::panicking", "__rustc", "rust_panic", "std::sys"];

/// Demangled, without the hash and without what makes a line long.
fn readable(name: &str) -> String {
    const NAME_CHARS_MAX: usize = 120;
    let demangled = wasmtime_demangle(name);
    let mut text: String = demangled.chars().take(NAME_CHARS_MAX).collect();
    if demangled.len() > text.len() {
        text.push('…');
    }
    text
}

/// Enough of Rust's legacy mangling for a trap message; the rest is shown as it is.
fn wasmtime_demangle(name: &str) -> String {
    let Some(mut rest) = name.strip_prefix("_ZN") else {
        return name.to_owned();
    };
    let mut parts = Vec::new();
    while let Some(digits) = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0) {
        let Ok(length) = rest[..digits].parse::<usize>() else { break };
        let Some(part) = rest.get(digits..digits + length) else { break };
        parts.push(part);
        rest = &rest[digits + length..];
    }
    if parts.last().is_some_and(|last| last.len() == 17 && last.starts_with('h')) {
        parts.pop();
    }
    parts
        .join("::")
        .replace("$LT$", "<")
        .replace("$GT$", ">")
        .replace("$u20$", " ")
        .replace("..", "::")
        .replace("$RF$", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mangled_name_becomes_readable() {
        let name = "_ZN7hostile4loop5count17h0123456789abcdefE";
        assert_eq!(wasmtime_demangle(name), "hostile::loop::count");
        assert_eq!(wasmtime_demangle("plain"), "plain");
    }
}
