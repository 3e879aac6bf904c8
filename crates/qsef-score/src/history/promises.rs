//! What experts' promises turn out to be worth, as a ledger tells it.

/// Observations that there being nothing to correct is worth against a ledger, whose outcomes are mostly presumed.
const PRIOR: f64 = 30.0;

/// The share of a promise's exponent that is left in any case, so that promises keep their order.
const LEAST: f64 = 0.02;

/// The largest correction either way: 20 times as much, or a twentieth.
const MOST: f64 = 3.0;

/// Halvings of that range when the correction is looked for.
const STEPS: usize = 40;

/// How all promises, TE by the profiles alone, are to be read: `−ln p = max(z − c, 0.02·z)` with `z = −ln TE`. So each is worth `eᶜ` times what
/// it says, as far as that is a probability.
///
/// The correction is one factor of TE, not of the exponent, though either keeps the order. A ledger has the outcomes of those who were
/// chosen, whose profiles fit best and who mostly did well; an exponent that is flat enough for these would promise as much for whom
/// nobody would choose, and one outcome less good than that would hand its tasks to them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Promises {
    correction: f64,
}

impl Promises {
    /// The likeliest correction for outcomes in [0, 1] of experts that were chosen, each with the exponent of its promise and its weight.
    pub(crate) fn fit(outcomes: &[(f64, f64, f64)]) -> Self {
        let loss = |correction: f64| {
            let promises = Self { correction };
            let of = |&(exponent, success, weight): &(f64, f64, f64)| {
                let z = promises.exponent(exponent).max(f64::EPSILON);
                weight * (success * z - (1.0 - success) * (-(-z).exp_m1()).ln())
            };
            outcomes.iter().map(of).sum::<f64>() + PRIOR * correction * correction / 2.0
        };
        let (mut low, mut high) = (-MOST, MOST);
        for _ in 0..STEPS {
            let (a, b) = (low + (high - low) * 0.49, low + (high - low) * 0.51);
            if loss(a) < loss(b) { high = b } else { low = a }
        }
        // The search ends beside what it is looking for, and nothing to learn from is to change nothing.
        Self { correction: if outcomes.is_empty() { 0.0 } else { (low + high) / 2.0 } }
    }

    fn exponent(self, exponent: f64) -> f64 {
        (exponent - self.correction).max(LEAST * exponent)
    }

    /// The correction `c`, in [−3, 3]: above 0 where experts did better than their profiles promised.
    pub fn correction(self) -> f64 {
        self.correction
    }

    /// What a TE by the profile alone is worth, in (0, 1].
    pub fn worth(self, te: f64) -> f64 {
        (-self.exponent(-te.ln())).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_read_as_outcomes_are_and_keep_their_order() {
        let chosen =
            |success: f64| -> Vec<_> { (0..400).map(|i| (1.2 + f64::from(i % 5) / 100.0, success, 1.0)).collect() };
        let good = Promises::fit(&chosen(0.8));
        let met = good.worth((-1.22f64).exp());
        assert!((met - 0.8).abs() < 0.05 && good.correction() > 0.0, "{good:?} {met}");
        // Whom nobody would choose is promised as much less as before.
        assert!((good.worth((-2.22f64).exp()) - met * (-1.0f64).exp()).abs() < 1e-9);
        let bad = Promises::fit(&chosen(0.05));
        assert!(bad.correction() < 0.0 && bad.worth((-1.2f64).exp()) < 0.15, "{bad:?}");
        let all_good = Promises::fit(&chosen(1.0));
        let worth: Vec<f64> = (0..60).map(|i| all_good.worth((-f64::from(i) / 20.0).exp())).collect();
        assert!(worth.is_sorted_by(|a, b| a > b) && worth.iter().all(|p| *p > 0.0 && *p <= 1.0), "{worth:?}");
        assert_eq!(Promises::fit(&[]), Promises::default());
        assert!((Promises::default().worth(0.3) - 0.3).abs() < 1e-12);
    }
}
