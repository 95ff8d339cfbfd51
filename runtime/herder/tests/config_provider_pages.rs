//! Every config provider has a page with an example, and the example is true.

use sluice_connect_api::ConfigMap;
use sluice_connect_api::page::{Page, index};
use sluice_herder::config_provider::examples::{ABOUT, EXAMPLES};
use sluice_herder::config_provider::{
    AllowedPaths, CLASSES, DirectoryConfigProvider, ENVIRONMENT_CLASS, EnvVarConfigProvider, FILE_CLASS,
    FileConfigProvider, SECRETS_CLASS, SecretsConfigProvider, config_def,
};
use sluice_herder::{ConfigProvider, ConfigTransformer};
use sluice_storage::SecretFile;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Stands in the examples for the folder of the test.
const FOLDER: &str = "/run/secrets";

/// As the hub makes them of its config; what they read is what the examples say.
fn provider(class: &str, params: &ConfigMap, folder: &Path) -> Box<dyn ConfigProvider> {
    let allowed = || AllowedPaths::parse(params.get("allowed.paths").map(String::as_str)).unwrap();
    match class {
        FILE_CLASS => Box::new(FileConfigProvider::new(allowed())),
        ENVIRONMENT_CLASS => {
            let variable = |name: &str| (name == "SHOP_PASSWORD").then(|| "hunter2".to_owned());
            let pattern = params.get("allowlist.pattern").map(String::as_str);
            Box::new(EnvVarConfigProvider::new(pattern, variable).unwrap())
        }
        SECRETS_CLASS => {
            let file = SecretFile::open(&folder.join("secrets.json"), &folder.join("secret.key")).unwrap();
            file.put("shop-password", "hunter2").unwrap();
            Box::new(SecretsConfigProvider::new(file))
        }
        _ => Box::new(DirectoryConfigProvider::new(allowed())),
    }
}

#[tokio::test]
async fn every_example_is_true() {
    for example in &EXAMPLES {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("shop.properties"), "password=hunter2\n").unwrap();
        fs::write(folder.path().join("shop-password"), "hunter2").unwrap();
        let here = |text: &str| text.replace(FOLDER, folder.path().to_str().unwrap());
        let params = example.config.iter().map(|(key, value)| ((*key).to_owned(), here(value))).collect();
        let (key, value) = example.input.split_once('=').unwrap();
        let alias = value.trim_start_matches("${").split(':').next().unwrap();
        let provider = provider(example.class, &params, folder.path());
        let transformer = ConfigTransformer::new(BTreeMap::from([(alias.to_owned(), provider)]));
        let resolved = transformer.transform(&ConfigMap::from_iter([(key.to_owned(), here(value))])).await.unwrap();
        assert_eq!(format!("{key}={}", resolved.config[key]), example.output, "{}", example.class);
    }
}

#[test]
fn every_config_provider_has_a_page_that_is_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for class in CLASSES.into_iter().chain([SECRETS_CLASS]) {
        let (_, about) = ABOUT.iter().find(|(it, _)| *it == class).expect("every config provider has a page");
        let examples: Vec<_> = EXAMPLES.iter().filter(|example| example.class == class).copied().collect();
        assert!(!examples.is_empty(), "{class} has no example");
        let page = Page { class, kind: "config_provider", about, def: &config_def(class), examples: &examples };
        assert_up_to_date(&folder.join(page.file_name()), &page.markdown());
    }
    let heading = "# Config providers\n\nWhere values of a config may stand instead: a reference `${NAME:PATH:KEY}` is replaced when a connector or a task \
                   starts, and stays a reference in the log and in every answer.";
    assert_up_to_date(&folder.join("README.md"), &index(heading, &ABOUT));
}

fn assert_up_to_date(file: &Path, text: &str) {
    if std::env::var_os("SLUICE_BLESS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    assert_eq!(found, text, "{} is not what the code says; SLUICE_BLESS=1 writes it", file.display());
}
