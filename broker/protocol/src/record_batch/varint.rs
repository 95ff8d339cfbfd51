//! Zigzag varints, as in Protocol Buffers.

/// The longest varlong.
pub(super) const VARINT_BYTES_MAX: usize = 10;

#[inline]
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Bytes that `value` takes.
#[inline]
pub(super) fn len(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Writes `value` at `at` of `out` and returns the position behind it.
#[inline]
pub(super) fn put(out: &mut [u8], mut at: usize, value: i64) -> usize {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        out[at] = rest as u8 | 0x80;
        rest >>= 7;
        at += 1;
    }
    out[at] = rest as u8;
    at + 1
}

/// Takes one varint off the front; `None` when it does not end or does not fit.
#[inline]
pub(super) fn take(input: &mut &[u8]) -> Option<i64> {
    if let [first, rest @ ..] = input
        && *first < 0x80
    {
        *input = rest;
        return Some(i64::from(*first >> 1) ^ -i64::from(*first & 1));
    }
    take_long(input)
}

fn take_long(input: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for (i, byte) in input.iter().take(VARINT_BYTES_MAX).enumerate() {
        if i == VARINT_BYTES_MAX - 1 && *byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if *byte < 0x80 {
            *input = &input[i + 1..];
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_varint_comes_back_and_takes_the_length_that_was_promised(value: i64) {
            let mut out = [0u8; VARINT_BYTES_MAX];
            let end = put(&mut out, 0, value);
            prop_assert_eq!(end, len(value));
            let mut input = &out[..end];
            prop_assert_eq!(take(&mut input), Some(value));
            prop_assert!(input.is_empty());
        }
    }

    #[test]
    fn a_varint_that_never_ends_is_refused() {
        assert_eq!(take(&mut &[0xff; 20][..]), None);
        assert_eq!(take(&mut &[0x80; 3][..]), None);
        assert_eq!(take(&mut &[][..]), None);
    }
}
