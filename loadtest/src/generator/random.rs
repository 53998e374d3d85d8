/// SplitMix64: a seeded run is the same run again.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// At least 0 and less than 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An exponentially distributed number with the mean 1.
    pub(super) fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_means_are_those_of_the_distributions() {
        let mut random = Random::new(7);
        let count = 100_000;
        let units: f64 = (0..count).map(|_| random.unit()).sum();
        let waits: f64 = (0..count).map(|_| random.exponential()).sum();
        assert!((units / f64::from(count) - 0.5).abs() < 0.01);
        assert!((waits / f64::from(count) - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_seed_repeats() {
        let (mut one, mut other) = (Random::new(3), Random::new(3));
        assert!((0..100).all(|_| one.next() == other.next()));
    }
}
