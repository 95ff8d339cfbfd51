//! Seeded randomness: a failing run is repeated by its seed.

/// Where the choices of a run come from: SplitMix64 (Steele, Lea, Flood 2014), even enough for made-up data.
pub struct Choices(u64);

impl Choices {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is above zero.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.bits() % limit as u64) as usize
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = high.wrapping_sub(low) as u64;
        let offset = if span == u64::MAX { self.bits() } else { self.bits() % (span + 1) };
        low.wrapping_add(offset as i64)
    }

    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    pub fn any_of<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// The seed of this run: `SLUICE_TEST_SEED`, else always the same.
#[must_use]
pub fn seed() -> u64 {
    std::env::var("SLUICE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122)
}

/// `full` under `cargo xtask test --full`, else `usual`.
#[must_use]
pub fn extent(usual: usize, full: usize) -> usize {
    if std::env::var_os("SLUICE_TEST_FULL").is_some() { full } else { usual }
}
