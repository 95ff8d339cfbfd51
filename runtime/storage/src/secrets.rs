//! [`Secrets`]: values that must not lie in the log, or appear in an answer, as they are.
//!
//! A sealed value is the text `sluice:sealed:v1:` and base64 of a 12-byte nonce and the AES-256-GCM ciphertext with its
//! tag. Connector and key name are authenticated with it, so that a sealed value cannot be moved to another key.
//! The key is 32 random bytes in a file of mode 0600 in the data directory: a stolen log alone opens nothing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What stands in answers instead of a secret; coming back in a config it means "keep the stored value".
pub const MASK: &str = "********";
const SEALED: &str = "sluice:sealed:v1:";
const KEY_LEN: usize = 32;

/// Names of parameters inside URLs whose values are credentials.
const URL_SECRETS: [&str; 8] =
    ["password", "passwd", "pwd", "secret", "token", "access_token", "sslpassword", "secret_access_key"];

#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error("key file {path} cannot be used", path = .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("key file {path} can be read by others; run chmod 600 on it", path = .path.display())]
    Permissions { path: PathBuf },
    #[error("key file {path} does not hold {KEY_LEN} bytes; restore it from a backup", path = .path.display())]
    Length { path: PathBuf },
    #[error("the system gives no random numbers")]
    Random,
    #[error("the stored value of {key} cannot be opened with this key file; set it again")]
    Sealed { key: String },
}

/// Seals and opens values with the key of one data directory.
pub struct Secrets {
    key: LessSafeKey,
    random: SystemRandom,
}

impl Secrets {
    /// Reads the key file; makes a new key when there is none.
    ///
    /// # Errors
    /// [`SecretsError::Io`], [`SecretsError::Permissions`], [`SecretsError::Length`], [`SecretsError::Random`].
    pub fn open(key_file: &Path) -> Result<Self, SecretsError> {
        let random = SystemRandom::new();
        let failed = |source| SecretsError::Io { path: key_file.to_owned(), source };
        let bytes = match fs::read(key_file) {
            Ok(bytes) => {
                let mode = fs::metadata(key_file).map_err(failed)?.permissions().mode();
                if mode & 0o077 != 0 {
                    return Err(SecretsError::Permissions { path: key_file.to_owned() });
                }
                bytes
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut bytes = vec![0; KEY_LEN];
                random.fill(&mut bytes).map_err(|_| SecretsError::Random)?;
                write_key(key_file, &bytes).map_err(failed)?;
                bytes
            }
            Err(error) => return Err(failed(error)),
        };
        let key =
            UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| SecretsError::Length { path: key_file.to_owned() })?;
        Ok(Self { key: LessSafeKey::new(key), random })
    }

    /// # Errors
    /// [`SecretsError::Random`].
    pub fn seal(&self, connector: &str, key: &str, value: &str) -> Result<String, SecretsError> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| SecretsError::Random)?;
        let mut sealed = value.as_bytes().to_vec();
        let aad = Aad::from(identity(connector, key));
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .expect("a config value is far below what AES-GCM can seal");
        let mut bytes = nonce.to_vec();
        bytes.append(&mut sealed);
        Ok(format!("{SEALED}{}", BASE64.encode(bytes)))
    }

    /// The value in clear; one that is not sealed is given back as it is.
    ///
    /// # Errors
    /// [`SecretsError::Sealed`] when it was sealed with another key, or for another connector or key name.
    pub fn unseal(&self, connector: &str, key: &str, value: &str) -> Result<String, SecretsError> {
        let Some(encoded) = value.strip_prefix(SEALED) else { return Ok(value.to_owned()) };
        let damaged = || SecretsError::Sealed { key: key.to_owned() };
        let bytes = BASE64.decode(encoded).map_err(|_| damaged())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut sealed = sealed.to_vec();
        let aad = Aad::from(identity(connector, key));
        let clear = self.key.open_in_place(nonce, aad, &mut sealed).map_err(|_| damaged())?;
        String::from_utf8(clear.to_vec()).map_err(|_| damaged())
    }
}

/// Whether a value looks sealed. Such a value from a user is sealed again, so that it comes back as it was.
#[must_use]
pub fn is_sealed(value: &str) -> bool {
    value.starts_with(SEALED)
}

/// `value` with the passwords of the URLs in it masked; `None` when it holds none.
#[must_use]
pub fn mask_url_credentials(value: &str) -> Option<String> {
    let spans = url_credentials(value);
    if spans.is_empty() {
        return None;
    }
    let mut masked = String::with_capacity(value.len());
    let mut at = 0;
    for span in spans {
        masked.push_str(&value[at..span.start]);
        masked.push_str(MASK);
        at = span.end;
    }
    masked.push_str(&value[at..]);
    Some(masked)
}

fn identity(connector: &str, key: &str) -> String {
    format!("{connector}\0{key}")
}

/// Never leaves a half-written key behind: the name appears with its content.
fn write_key(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(parent)?.sync_all()
}

/// Where passwords stand in the URLs of `value`, in order.
fn url_credentials(value: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some(found) = url_start(&value[at..]) {
        let start = at + found;
        let url_end = value[start..].find([',', ' ', '\n', '\t']).map_or(value.len(), |length| start + length);
        let parameters = value[start..url_end].find(['?', ';']).map_or(url_end, |length| start + length);
        spans.extend(user_password(value, start..parameters));
        spans.extend(parameter_secrets(value, parameters..url_end));
        at = url_end;
    }
    spans
}

/// Behind `scheme://`, or behind the `jdbc:` of a URL that has no such part (`jdbc:sqlite:/path`, `jdbc:oracle:thin:user/password@//host`).
fn url_start(text: &str) -> Option<usize> {
    let authority = text.find("://").map(|found| found + 3);
    let jdbc = text.find("jdbc:").map(|found| found + 5);
    match (jdbc, authority) {
        (Some(jdbc), Some(authority)) => {
            let is_scheme = |character: char| character.is_ascii_alphanumeric() || "+-.:".contains(character);
            let leads_there = jdbc > authority || text[jdbc..authority - 3].chars().all(is_scheme);
            Some(if leads_there { authority } else { jdbc })
        }
        (jdbc, authority) => jdbc.or(authority),
    }
}

/// The password of `user:password@host`.
fn user_password(value: &str, authority: Range<usize>) -> Option<Range<usize>> {
    let text = &value[authority.clone()];
    let user_info = &text[..text.rfind('@')?];
    let password_at = user_info.find(':')? + 1;
    let password = &user_info[password_at..];
    // `host:8080/path@x` is a port and a path; an unescaped slash inside a password is still a password.
    let is_port = password.split_once('/').is_some_and(|(port, _)| port.bytes().all(|byte| byte.is_ascii_digit()));
    if password.is_empty() || is_port {
        return None;
    }
    Some(authority.start + password_at..authority.start + user_info.len())
}

/// The values of parameters like `password=…`, separated by `?`, `&` or `;`.
fn parameter_secrets(value: &str, parameters: Range<usize>) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = parameters.start;
    for part in value[parameters].split_inclusive(['?', '&', ';']) {
        let end = at + part.trim_end_matches(['?', '&', ';']).len();
        if let Some((name, secret)) = value[at..end].split_once('=')
            && URL_SECRETS.contains(&name.to_ascii_lowercase().as_str())
            && !secret.is_empty()
        {
            spans.push(end - secret.len()..end);
        }
        at += part.len();
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(folder: &tempfile::TempDir) -> Secrets {
        Secrets::open(&folder.path().join("secret.key")).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_after_a_restart_and_only_where_it_was_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let sealed = secrets(&folder).seal("orders", "connection.password", "geheim").unwrap();
        assert!(is_sealed(&sealed) && !sealed.contains("geheim"));
        let again = secrets(&folder);
        assert_eq!(again.unseal("orders", "connection.password", &sealed).unwrap(), "geheim");
        assert!(again.unseal("orders", "other.key", &sealed).is_err());
        assert!(again.unseal("other", "connection.password", &sealed).is_err());
        assert_eq!(again.unseal("orders", "file", "/plain").unwrap(), "/plain");
    }

    #[test]
    fn another_key_file_opens_nothing() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let sealed = secrets(&one).seal("orders", "p", "geheim").unwrap();
        assert!(matches!(secrets(&two).unseal("orders", "p", &sealed), Err(SecretsError::Sealed { .. })));
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        Secrets::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Secrets::open(&path), Err(SecretsError::Permissions { .. })));
    }

    #[test]
    fn passwords_in_urls_are_masked_and_the_rest_is_not() {
        for (value, masked) in [
            ("jdbc:postgresql://ada:geheim@db:5432/shop", Some("jdbc:postgresql://ada:********@db:5432/shop")),
            ("postgres://u:p/w@x/db?sslmode=require", Some("postgres://u:********@x/db?sslmode=require")),
            ("jdbc:mysql://db/shop?user=a&password=b&c=d", Some("jdbc:mysql://db/shop?user=a&password=********&c=d")),
            ("jdbc:sqlserver://db;user=a;Password=b", Some("jdbc:sqlserver://db;user=a;Password=********")),
            ("http://a:b@one,http://c:d@two", Some("http://a:********@one,http://c:********@two")),
            ("http://localhost:9200", None),
            ("http://localhost:9200/a@b", None),
            ("jdbc:sqlite:/path/db", None),
            ("jdbc:sqlite:/path/db?mode=ro&password=b", Some("jdbc:sqlite:/path/db?mode=ro&password=********")),
            ("jdbc:sqlite:file:/path/db?token=b, c", Some("jdbc:sqlite:file:/path/db?token=********, c")),
            ("jdbc:oracle:thin:scott/tiger@//db:1521/x", Some("jdbc:oracle:********@//db:1521/x")),
            ("jdbc:a:b://u:c@d", Some("jdbc:a:b://u:********@d")),
            ("https://ada@host/x?password=", None),
        ] {
            assert_eq!(mask_url_credentials(value).as_deref(), masked, "{value}");
        }
    }
}
