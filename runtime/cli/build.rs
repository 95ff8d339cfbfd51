//! Puts the built-in connectors into the binary: every component in `<target>/components`, where `cargo xtask setup` leaves them.
//! None there is fine; the binary then says so at its start.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=SLUICE_COMPONENTS_DIR");
    println!("cargo::rerun-if-env-changed=SLUICE_COMMIT");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let folder =
        env::var_os("SLUICE_COMPONENTS_DIR").map_or_else(|| target_folder(&out).join("components"), PathBuf::from);
    // Cargo takes a missing path for a changed one, and would build this crate anew each time.
    let _ = fs::create_dir_all(&folder);
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut list = String::from("pub static COMPONENTS: &[(&str, &[u8])] = &[\n");
    for path in components(&folder) {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(list, "    ({name:?}, include_bytes!({:?})),", path.display().to_string())
            .expect("a String takes text");
    }
    list.push_str("];\n");
    fs::write(out.join("components.rs"), list).expect("OUT_DIR can be written");
}

/// `OUT_DIR` is `<target>[/<triple>]/<profile>/build/<crate>/out`.
fn target_folder(out: &Path) -> PathBuf {
    let profile = out.ancestors().find(|path| path.ends_with("build")).and_then(Path::parent);
    let above = profile.and_then(Path::parent).unwrap_or(out);
    if above.join("components").is_dir() {
        return above.to_owned();
    }
    above.parent().filter(|target| target.join("components").is_dir()).unwrap_or(above).to_owned()
}

fn components(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    // Examples and hostile guests lie there too, under other names: they are for tests.
    let is_connector = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("sluice-") && name.ends_with(".wasm")
    };
    paths.retain(is_connector);
    paths.sort();
    paths
}
