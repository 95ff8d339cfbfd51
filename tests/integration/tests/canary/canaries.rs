//! The planted secrets, and the search for them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What every planted secret holds, before the name of its place: letters and digits only, so that it is the same in JSON, in a
/// URL and in a shell.
const MARK: &str = "Kanarie7Qz";

/// A secret for one place. What stands behind it would be written in another way in a URL or in JSON.
pub fn secret(place: &str) -> String {
    format!("{MARK}{place}/\"+&=")
}

/// A secret for one place that may stand in a URL as it is.
pub fn plain(place: &str) -> String {
    format!("{MARK}{place}")
}

/// What was seen, by where it was seen.
#[derive(Default)]
pub struct Seen(BTreeMap<String, Vec<u8>>);

impl Seen {
    pub fn add(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.entry(place.into()).or_default().extend(bytes.into());
    }

    pub fn text(&self, place: &str) -> String {
        String::from_utf8_lossy(self.0.get(place).map_or(&[], Vec::as_slice)).into_owned()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Every file of a folder, as its bytes are.
    pub fn add_files(&mut self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.add_files(&path)?;
            } else {
                self.add(path.to_string_lossy(), fs::read(&path)?);
            }
        }
        Ok(())
    }

    /// Where a secret shows, with what stands around it.
    pub fn leaks(&self) -> Vec<String> {
        let forms = forms();
        let found = self.0.iter().flat_map(|(place, bytes)| {
            forms.iter().filter_map(move |(form, needle)| {
                let at = bytes.windows(needle.len()).position(|window| window == needle.as_bytes())?;
                let around = &bytes[at.saturating_sub(160)..(at + 60).min(bytes.len())];
                Some(format!("{place}, as {form}: …{}…", String::from_utf8_lossy(around)))
            })
        });
        found.collect()
    }
}

/// As it is (so it is in a URL and in JSON too), in base64 at each of the three places where it may begin, and in hex.
fn forms() -> Vec<(&'static str, String)> {
    let mut forms = vec![("text", MARK.to_owned()), ("reversed text", MARK.chars().rev().collect())];
    for before in 0..3 {
        let encoded = STANDARD.encode(format!("{}{MARK}", "x".repeat(before)));
        // What depends on its neighbours is left away at both ends.
        let begin = (before * 8).div_ceil(6);
        let end = (before + MARK.len()) * 8 / 6;
        forms.push(("base64", encoded[begin..end].to_owned()));
    }
    let hex: String = MARK.bytes().map(|byte| format!("{byte:02x}")).collect();
    forms.push(("hex", hex.to_uppercase()));
    forms.push(("hex", hex));
    forms
}

#[test]
fn a_secret_is_found_in_every_form() {
    let plain = plain("Here");
    let hex: String = plain.bytes().map(|byte| format!("{byte:02X}")).collect();
    let url = secret("There").replace('/', "%2F").replace('"', "%22");
    let mut texts = vec![plain.clone(), hex, url, format!("{:?}", secret("json"))];
    texts.extend((0..3).map(|before| STANDARD.encode(format!("{}{plain}", "u".repeat(before)))));
    for text in texts {
        let mut seen = Seen::default();
        seen.add("place", format!("before {text} behind"));
        assert_eq!(seen.leaks().len(), 1, "{text}");
    }
    let mut seen = Seen::default();
    seen.add("place", "Kanarie and 7Qz");
    assert!(seen.leaks().is_empty());
}
