//! Object keys.

/// S3's own limit.
const KEY_BYTES_MAX: usize = 1024;
/// What a file system takes as one name.
const SEGMENT_BYTES_MAX: usize = 255;
/// Where a local store keeps what is not finished.
pub const UPLOADS: &str = ".sluice-uploads";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("object key {key:?} has {found} bytes: 1 to {KEY_BYTES_MAX} are allowed")]
    Length { key: String, found: usize },
    #[error(
        "object key {key:?} has the segment {segment:?}: segments must not be empty, \".\", \"..\" or longer than {SEGMENT_BYTES_MAX} bytes"
    )]
    Segment { key: String, segment: String },
    #[error("object key {key:?} contains a control character")]
    ControlCharacter { key: String },
    #[error("object key {key:?} begins with {UPLOADS:?}, which the store keeps for itself")]
    Reserved { key: String },
}

/// Whether an object can have this key: a relative path without surprises.
///
/// # Errors
/// What is wrong with it.
pub fn check(key: &str) -> Result<(), KeyError> {
    let owned = || key.to_owned();
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(KeyError::Length { key: key.chars().take(80).collect(), found: key.len() });
    }
    if key.chars().any(char::is_control) {
        return Err(KeyError::ControlCharacter { key: owned() });
    }
    let odd = |segment: &&str| matches!(*segment, "" | "." | "..") || segment.len() > SEGMENT_BYTES_MAX;
    if let Some(segment) = key.split('/').find(odd) {
        return Err(KeyError::Segment { key: owned(), segment: segment.to_owned() });
    }
    if key.split('/').next() == Some(UPLOADS) {
        return Err(KeyError::Reserved { key: owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_relative_paths_without_surprises() {
        for good in ["a", "topics/t/partition=0/t+0+0000000000.parquet", "ä ö", "a.b..c", "...", &"x".repeat(255)] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a/.", "a\nb", "a\0b", ".sluice-uploads/x"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check(&"x".repeat(256)).is_err());
        assert_eq!(check(&"x/".repeat(512)[..1023]), Ok(()));
        assert!(check(&format!("{}y", "x/".repeat(512))).is_err());
    }
}
