//! When a call is made again. A hub that is in trouble makes its experts' trouble worse by asking again and again: only a
//! share of the calls may be repetitions.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::step::FaultKind;

/// Calls that earn a repetition, beyond the reserve.
const CALLS: u32 = 5;

/// Repetitions that a hub which has made no calls yet may make.
const RESERVE: u32 = 10;

/// The most repetitions that can be saved up.
const MOST: u32 = 100;

/// The wait before the first repetition; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The longest wait that is not asked for by the other side.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The longest wait that is asked for while another expert could do the subtask at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// A call that failed.
pub(crate) struct Failed<S> {
    /// How.
    pub kind: FaultKind,
    /// Which call of the expert it was, from 1.
    pub attempt: u32,
    /// How long the other side asked to be left alone.
    pub asked: Option<Duration>,
    /// The time until the deadline.
    pub left: Option<Duration>,
    /// Whether another expert could take over.
    pub has_others: bool,
    /// What spreads the waits of calls that failed together.
    pub salt: S,
}

/// How many repetitions a hub may make, over all its runs, counted in calls that earn them. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct RetryBudget(Arc<Mutex<u32>>);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(RESERVE * CALLS)))
    }
}

impl RetryBudget {
    /// Counts a call.
    pub fn deposit(&self) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = (*left + 1).min(MOST * CALLS);
    }

    /// Takes a repetition; false where there is none left.
    fn withdraw(&self) -> bool {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = left.checked_sub(CALLS);
        *left = enough.unwrap_or(*left);
        enough.is_some()
    }

    /// How long to wait until a failed call is repeated; none where it is not.
    pub fn wait(&self, failed: &Failed<impl Hash>) -> Option<Duration> {
        let &Failed { kind, attempt, asked, left, has_others, ref salt } = failed;
        let most = match kind {
            FaultKind::Unavailable => 3,
            FaultKind::Invalid => 2,
            _ => 0,
        };
        let mut hasher = DefaultHasher::new();
        (salt, attempt).hash(&mut hasher);
        let jitter = 0.75 + (hasher.finish() % 1024) as f64 / 2048.0;
        let doubled = FIRST_WAIT.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST_WAIT);
        let wait = doubled.mul_f64(jitter).max(asked.unwrap_or_default());
        let longest = if has_others { left.unwrap_or(PATIENCE).min(PATIENCE) } else { left.unwrap_or(Duration::MAX) };
        (attempt < most && wait < longest && self.withdraw()).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: FaultKind, attempt: u32) -> Failed<&'static str> {
        Failed { kind, attempt, asked: None, left: None, has_others: false, salt: "a" }
    }

    #[test]
    fn repetitions_are_a_share_of_the_calls() {
        let budget = RetryBudget::default();
        let granted = || (0..1000).filter(|_| budget.wait(&failed(FaultKind::Unavailable, 1)).is_some()).count();
        assert_eq!(granted(), RESERVE as usize);
        (0..50).for_each(|_| budget.deposit());
        assert_eq!(granted(), 10);
        (0..10_000).for_each(|_| budget.deposit());
        assert_eq!(granted(), MOST as usize);
    }

    #[test]
    fn waits_double_and_obey_the_other_side_and_the_deadline() {
        let budget = RetryBudget::default();
        let wait = |attempt| budget.wait(&failed(FaultKind::Unavailable, attempt));
        assert!(wait(1).unwrap() >= FIRST_WAIT.mul_f64(0.75) && wait(1).unwrap() <= FIRST_WAIT.mul_f64(1.25));
        assert!(wait(2).unwrap() >= FIRST_WAIT.mul_f64(1.5));
        assert_eq!(wait(3), None);
        let asked = Failed { asked: Some(Duration::from_secs(30)), ..failed(FaultKind::Unavailable, 1) };
        assert_eq!(budget.wait(&asked), Some(Duration::from_secs(30)));
        let asked = Failed { left: Some(Duration::from_secs(20)), ..asked };
        assert_eq!(budget.wait(&asked), None);
        // Another takes over rather than wait so long.
        let others = Failed { has_others: true, left: None, ..asked };
        assert_eq!(budget.wait(&others), None);
        assert!(budget.wait(&Failed { asked: None, ..others }).is_some());
        assert_eq!(budget.wait(&failed(FaultKind::Failed, 1)), None);
        assert_eq!(budget.wait(&failed(FaultKind::TimedOut, 1)), None);
        assert!(budget.wait(&failed(FaultKind::Invalid, 1)).is_some());
        assert!(budget.wait(&failed(FaultKind::Invalid, 2)).is_none());
    }
}
