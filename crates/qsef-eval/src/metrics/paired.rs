/// Student's paired test of whether a mean is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedTest {
    /// The mean in units of its standard error.
    pub t: f64,
    /// The probability of so large a mean, either way, by chance.
    pub p: f64,
}

/// Differences of scores, which are at most 1, are equal where they differ by less: that is rounding.
const EQUAL: f64 = 1e-12;

/// Student's test on differences of pairs of scores; none for fewer than two, or where all are equal.
pub fn paired(differences: &[f64]) -> Option<PairedTest> {
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let squares: f64 = differences.iter().map(|d| (d - mean).powi(2)).sum();
    if differences.len() < 2 || squares <= n * EQUAL * EQUAL {
        return None;
    }
    let t = mean / (squares / (n - 1.0) / n).sqrt();
    let freedom = n - 1.0;
    Some(PairedTest { t, p: incomplete_beta(freedom / (freedom + t * t), freedom / 2.0, 0.5) })
}

/// The logarithm of the gamma function (Lanczos' approximation), for numbers above 0.
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 6] = [
        76.180_091_729_471_46,
        -86.505_320_329_416_77,
        24.014_098_240_830_91,
        -1.231_739_572_450_155,
        0.120_865_097_386_617_9e-2,
        -0.539_523_938_495_3e-5,
    ];
    let base = x + 5.5;
    let sum = (1..).zip(TERMS).fold(1.000_000_000_190_015, |sum, (i, term)| sum + term / (x + f64::from(i)));
    (2.506_628_274_631_000_5 * sum / x).ln() - (base - (x + 0.5) * base.ln())
}

/// The regularised incomplete beta function, by its continued fraction (Lentz' method).
pub(super) fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // Where the fraction converges slowly, its mirror image does not.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    const TINY: f64 = 1e-300;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp() / a;
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..300 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for term in [even, odd] {
            d = 1.0 / away(1.0 + term * d);
            c = away(1.0 + term / c);
            fraction *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-14 {
            break;
        }
    }
    front * fraction
}
