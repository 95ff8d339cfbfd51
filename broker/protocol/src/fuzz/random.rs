//! Random numbers that can be repeated, and damage.

/// A small generator (xorshift64*): the same seed gives the same numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0 to below `n`, which must not be 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.number() >> 11) as usize % n
    }

    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// Numbers at which code breaks, as they stand in one, two, four or eight bytes.
const EDGES: [i64; 12] =
    [0, 1, -1, -2, 0x7f, i16::MAX as i64, i16::MIN as i64, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN, 0x80];

/// Damages `bytes` in one to four places: flipped bits, numbers at the edges of their range, stretches that are cut out,
/// doubled, zeroed or cut off.
pub fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            bytes.push(random.number() as u8);
            continue;
        }
        let at = random.below(bytes.len());
        let end = at + random.below((bytes.len() - at).min(64)) + 1;
        match random.below(8) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.number() as u8,
            3 | 4 => {
                let width = 1 << random.below(4);
                let edge = random.one_of(&EDGES).to_be_bytes();
                let width = usize::min(width, bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&edge[8 - width..]);
            }
            5 => bytes.truncate(at),
            6 => drop(bytes.drain(at..end)),
            _ if random.below(2) == 0 => bytes[at..end].fill(0),
            _ => {
                let doubled = bytes[at..end].to_vec();
                bytes.splice(at..at, doubled);
            }
        }
    }
}
