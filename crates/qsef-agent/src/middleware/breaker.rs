use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use qsef_core::{Error, Outcome, Result};

/// Failures in a row that show an expert to be out of order.
const FAILURES: u32 = 5;

/// How long it is then left alone.
const REST: Duration = Duration::from_secs(30);

/// A circuit breaker: after some failures in a row that are not the task's fault, calls fail at once for a while; then one
/// call tries whether the expert is back. Clones share their state.
#[derive(Debug, Clone, Default)]
pub(super) struct Breaker(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// When the next call may try.
    open_until: Option<Instant>,
}

impl Breaker {
    /// Whether a call may be made.
    pub fn check(&self, what: &str) -> Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match state.open_until {
            Some(until) if now < until => Err(Error::Unavailable {
                what: what.to_owned(),
                message: format!("it failed {} times in a row and is left alone", state.failures),
                retry_after: Some(until - now),
            }),
            Some(_) => {
                // This one tries; others wait for what it finds.
                state.open_until = Some(now + REST);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Counts how a call ended.
    pub fn note(&self, result: &Result<Outcome>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Err(Error::Unavailable { .. } | Error::TimedOut { .. }) => {
                state.failures += 1;
                if state.failures >= FAILURES {
                    state.open_until = Some(Instant::now() + REST);
                }
            }
            // It answered, whatever it had to say.
            _ => *state = State::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qsef_core::Payload;

    #[test]
    fn an_expert_that_keeps_failing_is_left_alone_until_it_answers() {
        let breaker = Breaker::default();
        let failed = || Err(Error::TimedOut { what: "e".into(), after: REST });
        for _ in 1..FAILURES {
            breaker.note(&failed());
            assert!(breaker.check("e").is_ok());
        }
        breaker.note(&failed());
        let Err(Error::Unavailable { retry_after: Some(rest), message, .. }) = breaker.check("e") else {
            panic!("open")
        };
        assert!(rest <= REST && message.contains("5 times"), "{message}");
        // When it has rested, one call tries.
        breaker.0.lock().unwrap().open_until = Some(Instant::now());
        assert!(breaker.check("e").is_ok() && breaker.check("e").is_err());
        breaker.note(&Ok(Payload::text("back").into()));
        assert!(breaker.check("e").is_ok());
        // What is the task's fault says nothing against it.
        for _ in 0..2 * FAILURES {
            breaker.note(&Err(Error::Expert { expert: "e".into(), message: "no".into() }));
        }
        assert!(breaker.check("e").is_ok());
    }
}
