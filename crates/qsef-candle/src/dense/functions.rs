//! Functions of one number without a branch and without a call, so that the compiler makes wide instructions of a loop of them.

use pulp::Arch;

/// The error function, within 5e-7, by the rational function that Eigen and XLA use for it.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    const ABOVE: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const BELOW: [f32; 5] = [-1.456_607_2e-5, -2.133_740_5e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    let x = x.clamp(-4.0, 4.0);
    let polynomial = |coefficients: &[f32]| coefficients.iter().fold(0.0, |sum, c| sum * (x * x) + c);
    x * polynomial(&ABOVE) / polynomial(&BELOW)
}

/// eˣ, within 3e-7 of it in relation; x is taken to lie in −87 to 88.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// Adding it rounds a small number to a whole one, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_145_75;
    const LN2_LOW: f32 = 1.428_606_8e-6;
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let whole = rounded - ROUND;
    let rest = (x - whole * LN2_HIGH) - whole * LN2_LOW;
    const TERMS: [f32; 7] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let power = TERMS.iter().fold(0.0, |sum, term| sum * rest + term);
    power * f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23))
}

/// The sum of `value` over numbers: eight sums, so that an addition need not wait for the one before it.
#[inline(always)]
pub fn sum(numbers: &[f32], value: impl Fn(f32) -> f32) -> f32 {
    let (eights, rest) = numbers.as_chunks::<8>();
    let mut sums = [0f32; 8];
    for eight in eights {
        sums.iter_mut().zip(eight).for_each(|(sum, x)| *sum += value(*x));
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| value(*x)).sum::<f32>()
}

/// Makes shares of scores that are multiplied by `scale`.
pub fn softmax(scores: &mut [f32], scale: f32) {
    Arch::new().dispatch(|| {
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        scores.iter_mut().for_each(|x| *x = exp((*x - largest) * scale));
        let share = 1.0 / sum(scores, |x| x);
        scores.iter_mut().for_each(|x| *x *= share);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_is_that_of_the_library() {
        for x in (-60_000..=60_000).map(|i| i as f32 / 10_000.0).chain([f32::MIN, f32::MAX]) {
            let error = erf(x) - candle_core::cpu::erf::erf_f32(x);
            assert!(error.abs() < 5e-7, "{x}: {error}");
        }
    }

    #[test]
    fn exp_is_that_of_the_library() {
        for x in (-860_000..=870_000).map(|i| i as f32 / 10_000.0) {
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 3e-7, "{x}");
        }
        assert!(exp(f32::MIN) < 1e-37 && exp(f32::MAX).is_finite());
    }
}
