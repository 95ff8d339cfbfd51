//! Looking at a component before it may run: is it one, for which ABI, what does it export and import.

use crate::abi::AbiVersion;
use crate::definition::PluginKind;
use crate::error::LoadError;
use std::collections::BTreeSet;
use wasmtime::Engine;
use wasmtime::component::Component;

/// What a component's type says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inspection {
    pub(crate) abi: AbiVersion,
    pub(crate) kind: PluginKind,
    /// Capabilities that it imports, by name.
    pub(crate) capabilities: BTreeSet<String>,
}

/// Refuses what is no component at all, without compiling it.
pub(crate) fn check_format(name: &str, bytes: &[u8]) -> Result<(), LoadError> {
    /// `\0asm`, then the version: 1 for a core module, 13 with layer 1 for a component.
    const CORE_MODULE: [u8; 8] = [0, b'a', b's', b'm', 1, 0, 0, 0];
    if bytes.get(..4) != Some(&CORE_MODULE[..4]) {
        return Err(LoadError::NotWasm { name: name.to_owned() });
    }
    if bytes.get(..8) == Some(&CORE_MODULE[..]) {
        return Err(LoadError::CoreModule { name: name.to_owned() });
    }
    Ok(())
}

/// Reads the component's exports and imports. `offered` are the capabilities that this hub has.
pub(crate) fn inspect(
    name: &str,
    component: &Component,
    engine: &Engine,
    offered: &[&str],
) -> Result<Inspection, LoadError> {
    let component_type = component.component_type();
    let exports: Vec<String> = component_type.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let imports: Vec<String> = component_type.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let abi = AbiVersion::of(name, &exports)?;
    let exported =
        |interface: &str| exports.iter().any(|export| interface_of(export) == Some(("connector", interface)));
    let kind = match (exported("source-task"), exported("sink-task"), exported("transformation")) {
        (true, _, _) => PluginKind::Source,
        (_, true, _) => PluginKind::Sink,
        (_, _, true) => PluginKind::Transformation,
        _ => return Err(LoadError::NoPlugin { name: name.to_owned() }),
    };
    let mut capabilities = BTreeSet::new();
    for import in &imports {
        match interface_of(import) {
            Some(("data" | "connector", _)) => {}
            Some((package, _)) if offered.contains(&package) => {
                capabilities.insert(package.to_owned());
            }
            // WASI is linked to functions that trap: toolchains import it without using it.
            None if import.starts_with("wasi:") => {}
            _ => return Err(LoadError::UnknownImport { name: name.to_owned(), imports: import.clone() }),
        }
    }
    Ok(Inspection { abi, kind, capabilities })
}

/// `sluice:file/files@0.1.0` is the interface `files` of the package `file`.
pub(crate) fn interface_of(name: &str) -> Option<(&str, &str)> {
    let (package, interface) = name.strip_prefix("sluice:")?.split_once('/')?;
    Some((package, interface.split('@').next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_refused_with_the_remedy() {
        let error = check_format("notes.wasm", b"hello").unwrap_err().to_string();
        assert!(error.starts_with("notes.wasm is not a WebAssembly component"), "{error}");
        let error = check_format("core.wasm", b"\0asm\x01\0\0\0").unwrap_err().to_string();
        assert!(error.contains("wasm-component-ld"), "{error}");
        assert!(check_format("good.wasm", b"\0asm\x0d\0\x01\0").is_ok());
    }

    #[test]
    fn interface_names_are_taken_apart() {
        assert_eq!(interface_of("sluice:object-store/object-store@0.1.0"), Some(("object-store", "object-store")));
        assert_eq!(interface_of("wasi:cli/stdout@0.2.0"), None);
    }
}
