//! Chance that depends on a seed, a purpose and a step alone: what is resumed needs no state of a generator.

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// The generator.
pub(crate) type Rng = ChaCha8Rng;

/// Mixes numbers into one seed (SplitMix64).
pub(crate) fn mixed(parts: &[u64]) -> u64 {
    parts.iter().fold(0x51_7c_c1_b7_27_22_0a_95, |state, part| {
        let z = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// A generator for a purpose.
pub(crate) fn rng(seed: u64, purpose: &str, step: u64) -> Rng {
    let bytes = purpose.bytes().map(u64::from);
    let purpose = mixed(&bytes.collect::<Vec<_>>());
    ChaCha8Rng::seed_from_u64(mixed(&[seed, purpose, step]))
}

/// A normal number (Box and Muller).
pub(crate) fn normal(rng: &mut impl RngExt) -> f64 {
    let (radius, angle): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// The numbers below `count` in random order.
pub(crate) fn shuffled(rng: &mut impl RngExt, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, rng.random_range(0..=last));
    }
    order
}
