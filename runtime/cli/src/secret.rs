//! `sluice secret`: the hub's own secrets, sealed in its data folder. A running hub sees them at once.

use crate::args::{SecretArguments, SecretCommand};
use crate::config_providers::secret_file;
use crate::exit::Exit;
use crate::worker_config::home;
use std::io::Read;

pub fn run(arguments: &SecretArguments) -> Result<(), Exit> {
    let failed = |error: &(dyn std::error::Error + 'static)| Exit::failed(error);
    let data_dir = arguments.data_dir.clone().unwrap_or_else(|| home("XDG_DATA_HOME", ".local/share"));
    let file = secret_file(&data_dir).map_err(|error| failed(&error))?;
    match &arguments.command {
        SecretCommand::Set { name } => {
            if name.contains([':', '}', '$']) || name.trim().is_empty() {
                let message = format!("{name:?} cannot be referred to; a name has no ':', '}}' or '$'");
                return Err(Exit::Usage { message });
            }
            let mut value = String::new();
            std::io::stdin().read_to_string(&mut value).map_err(|error| failed(&error))?;
            let value = value.strip_suffix('\n').unwrap_or(&value);
            file.put(name, value).map_err(|error| failed(&error))?;
            println!("${{secrets:{name}}}");
        }
        SecretCommand::List => {
            for name in file.names().map_err(|error| failed(&error))? {
                println!("{name}");
            }
        }
        SecretCommand::Remove { name } => {
            if !file.remove(name).map_err(|error| failed(&error))? {
                return Err(Exit::NotFound { message: format!("there is no secret {name:?}") });
            }
        }
    }
    Ok(())
}
