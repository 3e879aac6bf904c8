use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// What a threshold is fitted for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// Reject at least this share, in [0, 1], of the rows that are not right, and as few others as possible.
    RejectRecall(f64),
    /// Maximise the mean of the share of right rows that are accepted and of the others that are rejected.
    BalancedAccuracy,
    /// Maximise `F_β = (1 + β²)·P·R / (β²·P + R)` of accepting right rows, β > 0. Above 1 recall counts more.
    FBeta(f64),
}

/// From which confidence on an answer is given; below it nobody is chosen, or the fallback is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold(f64);

impl Threshold {
    /// Accepts every confidence that is a number.
    pub const ACCEPT_ALL: Self = Self(f64::MIN);
    /// Rejects every confidence below the largest number there is; infinity would not survive JSON.
    pub const REJECT_ALL: Self = Self(f64::MAX);

    /// Fits the threshold on rows of (confidence, whether accepting is right). The rows have to be kept apart from
    /// those that the confidence was fitted on and from those that are reported: use the validation rows.
    ///
    /// Candidates are the middles between neighbouring confidences, everything and nothing; of equals the lowest,
    /// which accepts most. Without rows that are not right there is nothing to reject, hence [`Self::ACCEPT_ALL`],
    /// also for no rows at all; with nothing but such rows [`Self::REJECT_ALL`].
    ///
    /// # Errors
    /// [`Error::Input`] for a confidence that is not finite, a recall outside [0, 1] or a β that is not above 0.
    pub fn fit(rows: &[(f64, bool)], goal: Goal) -> Result<Self> {
        match goal {
            Goal::RejectRecall(r) if !(0.0..=1.0).contains(&r) => {
                return Err(Error::Input(format!("the recall to reach is {r}; it has to be in [0, 1]")));
            }
            Goal::FBeta(beta) if !(beta > 0.0 && beta.is_finite()) => {
                return Err(Error::Input(format!("β is {beta}; it has to be a number above 0")));
            }
            _ => {}
        }
        if let Some((number, _)) = (1..).zip(rows).find(|(_, row)| !row.0.is_finite()) {
            return Err(Error::Input(format!("the confidence of row {number} is not a finite number")));
        }
        let right = rows.iter().filter(|row| row.1).count();
        let wrong = rows.len() - right;
        if wrong == 0 {
            return Ok(Self::ACCEPT_ALL);
        }
        if right == 0 {
            return Ok(Self::REJECT_ALL);
        }
        Ok(scan(rows, right, wrong, goal))
    }

    /// Whether an answer of this confidence is given. Not for NaN.
    pub fn accepts(&self, confidence: f64) -> bool {
        confidence >= self.0
    }

    /// The least confidence that is accepted.
    pub fn value(&self) -> f64 {
        self.0
    }
}

/// Raises the threshold past one confidence after the other; both classes have rows.
fn scan(rows: &[(f64, bool)], right: usize, wrong: usize, goal: Goal) -> Threshold {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let worth = |lost: usize, rejected: usize| {
        let kept = (right - lost) as f64;
        let recall = kept / right as f64;
        let rejected = rejected as f64 / wrong as f64;
        match goal {
            // Enough is enough: what comes later only loses right rows.
            Goal::RejectRecall(wanted) => f64::from(rejected >= wanted),
            Goal::BalancedAccuracy => (recall + rejected) / 2.0,
            Goal::FBeta(beta) => {
                let accepted = kept + wrong as f64 * (1.0 - rejected);
                (1.0 + beta * beta) * kept / (beta * beta * right as f64 + accepted).max(f64::MIN_POSITIVE)
            }
        }
    };
    let mut best = (Threshold::ACCEPT_ALL, worth(0, 0));
    let (mut lost, mut rejected) = (0, 0);
    let mut rest = sorted.iter().peekable();
    while let Some((confidence, is_right)) = rest.next() {
        lost += usize::from(*is_right);
        rejected += usize::from(!is_right);
        let threshold = match rest.peek() {
            Some((next, _)) if next == confidence => continue,
            // Two neighbouring floats have no middle.
            Some((next, _)) => {
                let middle = confidence / 2.0 + next / 2.0;
                Threshold(if middle > *confidence { middle } else { *next })
            }
            None => Threshold::REJECT_ALL,
        };
        let value = worth(lost, rejected);
        if value > best.1 + 1e-12 {
            best = (threshold, value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROWS: [(f64, bool); 6] = [(0.1, false), (0.3, false), (0.4, true), (0.5, false), (0.8, true), (0.9, true)];

    #[test]
    fn goals_are_reached_with_the_least_loss() {
        let fit = |goal| Threshold::fit(&ROWS, goal).unwrap().value();
        assert_eq!(fit(Goal::RejectRecall(0.0)), f64::MIN);
        assert!((fit(Goal::RejectRecall(0.6)) - 0.35).abs() < 1e-12);
        assert!((fit(Goal::RejectRecall(1.0)) - 0.65).abs() < 1e-12);
        // (1 + 2/3) / 2 is reached at .35 and at .65: the lower one accepts more.
        assert!((fit(Goal::BalancedAccuracy) - 0.35).abs() < 1e-12);
        assert!((fit(Goal::FBeta(0.2)) - 0.65).abs() < 1e-12);
    }

    #[test]
    fn one_class_and_bad_input_have_documented_results() {
        let fit = |rows: &[(f64, bool)]| Threshold::fit(rows, Goal::BalancedAccuracy).unwrap();
        assert_eq!(fit(&[]), Threshold::ACCEPT_ALL);
        assert_eq!(fit(&[(0.2, true)]), Threshold::ACCEPT_ALL);
        assert_eq!(fit(&[(0.2, false)]), Threshold::REJECT_ALL);
        assert!(!Threshold::ACCEPT_ALL.accepts(f64::NAN) && !Threshold::REJECT_ALL.accepts(1e300));
        let message = Threshold::fit(&[(0.1, true), (f64::NAN, true)], Goal::BalancedAccuracy).unwrap_err().to_string();
        assert!(message.contains("row 2"), "{message}");
        for goal in [Goal::RejectRecall(1.1), Goal::RejectRecall(f64::NAN), Goal::FBeta(0.0), Goal::FBeta(f64::NAN)] {
            assert!(Threshold::fit(&ROWS, goal).is_err());
        }
    }

    proptest! {
        #[test]
        fn the_wanted_recall_is_reached(rows in prop::collection::vec((-5.0..5.0f64, any::<bool>()), 1..40), wanted in 0.0..=1.0f64) {
            let threshold = Threshold::fit(&rows, Goal::RejectRecall(wanted)).unwrap();
            let wrong = rows.iter().filter(|r| !r.1).count();
            let rejected = rows.iter().filter(|r| !r.1 && !threshold.accepts(r.0)).count();
            prop_assert!(rejected as f64 >= wanted * wrong as f64 - 1e-9);
        }
    }
}
