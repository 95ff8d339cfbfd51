//! ABI versions: one module each, chosen once, when a component is loaded. Each implements the traits of `connect-api`.

pub mod v0_1;

use crate::component::interface_of;
use crate::error::LoadError;

/// A version of `sluice:connector` that this host can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbiVersion {
    V0_1,
}

/// What [`LoadError::UnsupportedAbi`] names.
const SUPPORTED: &str = "sluice:connector@0.1";

impl AbiVersion {
    /// The version that a component with these exports was built for.
    pub(crate) fn of(name: &str, exports: &[String]) -> Result<Self, LoadError> {
        let connector = exports.iter().find(|export| interface_of(export) == Some(("connector", "connector")));
        let Some(version) = connector.and_then(|export| export.split_once('@')).map(|(_, version)| version) else {
            return Err(LoadError::NoPlugin { name: name.to_owned() });
        };
        let found = version.to_owned();
        // Within 0.1 later patches only add imports; the linker names one that is missing.
        if version == "0.1" || version.starts_with("0.1.") {
            return Ok(Self::V0_1);
        }
        Err(LoadError::UnsupportedAbi { name: name.to_owned(), found, supported: SUPPORTED })
    }

    /// As it stands in the compile cache.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V0_1 => "0.1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_abi_version_is_refused_and_named() {
        let exports = |version: &str| vec![format!("sluice:connector/connector@{version}")];
        assert_eq!(AbiVersion::of("x", &exports("0.1.7")).unwrap(), AbiVersion::V0_1);
        let error = AbiVersion::of("x", &exports("0.2.0")).unwrap_err().to_string();
        assert!(error.contains("0.2.0") && error.contains("rebuild"), "{error}");
        assert!(matches!(AbiVersion::of("x", &[]), Err(LoadError::NoPlugin { .. })));
    }
}
