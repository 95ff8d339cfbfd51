//! An example of every config provider; `tests/config_provider_pages.rs` runs them and writes the pages from them. An input is a
//! key of a connector's config; the files that it names hold what the example says.

use super::{DIRECTORY_CLASS, ENVIRONMENT_CLASS, FILE_CLASS, SECRETS_CLASS};
use sluice_connect_api::Example;

/// The class and what it does.
pub const ABOUT: [(&str, &str); 4] = [
    (
        FILE_CLASS,
        "Values out of a `.properties` file: `${file:PATH:KEY}`. A change of the file restarts the tasks that use it.",
    ),
    (
        DIRECTORY_CLASS,
        "Each file of a folder is a value, as Kubernetes mounts secrets: `${directory:FOLDER:FILE}`. A change of the file restarts the tasks that use it.",
    ),
    (ENVIRONMENT_CLASS, "Environment variables of the hub: `${env:NAME}`."),
    (
        SECRETS_CLASS,
        "Secrets that this hub keeps, sealed with its key file: `${secrets:NAME}`. It is there without being named in the hub's config; `sluice secret` sets them.",
    ),
];

pub const EXAMPLES: [Example; 4] = [
    Example {
        class: FILE_CLASS,
        about: "The file `/run/secrets/shop.properties` has the line `password=hunter2`.",
        config: &[("allowed.paths", "/run/secrets")],
        input: "connection.password=${file:/run/secrets/shop.properties:password}",
        output: "connection.password=hunter2",
    },
    Example {
        class: DIRECTORY_CLASS,
        about: "The file `/run/secrets/shop-password` holds `hunter2`.",
        config: &[("allowed.paths", "/run/secrets")],
        input: "connection.password=${directory:/run/secrets:shop-password}",
        output: "connection.password=hunter2",
    },
    Example {
        class: ENVIRONMENT_CLASS,
        about: "The hub was started with `SHOP_PASSWORD=hunter2`.",
        config: &[("allowlist.pattern", "SHOP_.*")],
        input: "connection.password=${env:SHOP_PASSWORD}",
        output: "connection.password=hunter2",
    },
    Example {
        class: SECRETS_CLASS,
        about: "`sluice secret set shop-password` was given `hunter2`.",
        config: &[],
        input: "connection.password=${secrets:shop-password}",
        output: "connection.password=hunter2",
    },
];
