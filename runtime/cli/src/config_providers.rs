//! The config providers that the worker's config names: `config.providers`, `config.providers.<name>.class`, `.param.<key>`.
//! `secrets` is there without being named.

use sluice_connect_api::ConfigMap;
use sluice_connect_api::config_def::parse_list;
use sluice_herder::config_provider::{
    AllowedPaths, CLASSES, DirectoryConfigProvider, EnvVarConfigProvider, FileConfigProvider, SecretsConfigProvider,
};
use sluice_herder::{ConfigProvider, ConfigTransformer};
use sluice_storage::{SecretFile, SecretFileError};
use std::collections::BTreeMap;
use std::path::Path;

const PREFIX: &str = "config.providers";
/// The name under which the hub's own secrets are referred to, unless another provider has it.
const SECRETS: &str = "secrets";

/// One provider as the worker's config describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSpec {
    name: String,
    class: String,
    params: ConfigMap,
}

/// Takes the providers' keys out of `pairs`; what is wrong with them goes to `problems`.
pub fn take(pairs: &mut BTreeMap<String, String>, problems: &mut Vec<String>) -> Vec<ProviderSpec> {
    let names = pairs.remove(PREFIX).unwrap_or_default();
    let mut specs = Vec::new();
    for name in parse_list(&names) {
        let class_key = format!("{PREFIX}.{name}.class");
        let Some(class) = pairs.remove(&class_key) else {
            problems.push(format!("{class_key} is missing; {PREFIX} names {name}"));
            continue;
        };
        let prefix = format!("{PREFIX}.{name}.param.");
        let keys: Vec<String> = pairs.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
        let params = keys.into_iter().filter_map(|key| Some((key[prefix.len()..].to_owned(), pairs.remove(&key)?)));
        let spec = ProviderSpec { name: name.to_owned(), class: class.trim().to_owned(), params: params.collect() };
        match spec.make() {
            Ok(_) => specs.push(spec),
            Err(reason) => problems.push(reason),
        }
    }
    specs
}

impl ProviderSpec {
    fn make(&self) -> Result<Box<dyn ConfigProvider>, String> {
        let failed = |error: sluice_herder::ConfigProviderError| format!("{PREFIX}.{}: {error}", self.name);
        let allowed = || AllowedPaths::parse(self.params.get("allowed.paths").map(String::as_str)).map_err(failed);
        match self.class.rsplit('.').next().unwrap_or_default() {
            "FileConfigProvider" => Ok(Box::new(FileConfigProvider::new(allowed()?))),
            "DirectoryConfigProvider" => Ok(Box::new(DirectoryConfigProvider::new(allowed()?))),
            "EnvVarConfigProvider" => {
                let pattern = self.params.get("allowlist.pattern").map(String::as_str);
                let provider = EnvVarConfigProvider::new(pattern, |name| std::env::var(name).ok());
                Ok(Box::new(provider.map_err(failed)?))
            }
            _ => Err(format!(
                "{PREFIX}.{}.class={} is no config provider of this hub; there are {}",
                self.name,
                self.class,
                CLASSES.join(", ")
            )),
        }
    }
}

fn made(specs: &[ProviderSpec]) -> BTreeMap<String, Box<dyn ConfigProvider>> {
    // They were made once to look for problems, and had none.
    specs.iter().filter_map(|spec| Some((spec.name.clone(), spec.make().ok()?))).collect()
}

/// For the worker's own file, which is read before there is a data folder.
pub fn of_worker(specs: &[ProviderSpec]) -> ConfigTransformer {
    ConfigTransformer::new(made(specs))
}

/// For connectors: the worker's, and the secrets in the data folder.
///
/// # Errors
/// When the key file cannot be used.
pub fn of_connectors(specs: &[ProviderSpec], data_dir: &Path) -> Result<ConfigTransformer, SecretFileError> {
    let mut providers = made(specs);
    if !providers.contains_key(SECRETS) {
        let file = secret_file(data_dir)?;
        providers.insert(SECRETS.to_owned(), Box::new(SecretsConfigProvider::new(file)));
    }
    Ok(ConfigTransformer::new(providers))
}

/// The hub's own secrets: sealed with the key that seals passwords in the log.
///
/// # Errors
/// When the key file cannot be used.
pub fn secret_file(data_dir: &Path) -> Result<SecretFile, SecretFileError> {
    SecretFile::open(&data_dir.join("secrets.json"), &data_dir.join("secret.key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> BTreeMap<String, String> {
        sluice_connect_api::properties::parse(text)
    }

    #[test]
    fn providers_are_taken_with_their_parameters() {
        let mut pairs = pairs(
            "config.providers=file, env\nconfig.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider\nconfig.providers.file.param.allowed.paths=/tmp\nconfig.providers.env.class=EnvVarConfigProvider\nother=1\n",
        );
        let mut problems = Vec::new();
        let specs = take(&mut pairs, &mut problems);
        assert_eq!((specs.len(), problems.len()), (2, 0), "{problems:?}");
        assert_eq!(specs[0].params["allowed.paths"], "/tmp");
        assert_eq!(pairs.into_keys().collect::<Vec<_>>(), ["other"]);
    }

    #[test]
    fn what_is_wrong_with_a_provider_is_named() {
        let mut pairs = pairs(
            "config.providers=a,b,c\nconfig.providers.b.class=com.example.Vault\nconfig.providers.c.class=FileConfigProvider\nconfig.providers.c.param.allowed.paths=/no/such/folder\n",
        );
        let mut problems = Vec::new();
        assert!(take(&mut pairs, &mut problems).is_empty());
        for expected in ["config.providers.a.class is missing", "com.example.Vault", "/no/such/folder"] {
            assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:?}");
        }
    }
}
