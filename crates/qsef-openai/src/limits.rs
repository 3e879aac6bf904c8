//! Requests and tokens per minute.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

const MINUTE: Duration = Duration::from_secs(60);

/// At most so many requests and tokens in any minute.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    requests: Option<u64>,
    tokens: Option<u64>,
    /// The calls of the last minute, with the tokens that each took.
    calls: Mutex<VecDeque<(Instant, u64, u64)>>,
}

/// A call that was let through.
#[derive(Debug, Clone)]
pub(crate) struct Ticket(Arc<Limits>, u64);

impl Limits {
    pub fn new(requests: Option<u64>, tokens: Option<u64>) -> Arc<Self> {
        Arc::new(Self { requests, tokens, ..Self::default() })
    }

    fn calls(&self) -> MutexGuard<'_, VecDeque<(Instant, u64, u64)>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a call that may take so many tokens fits in. One that would never fit goes when nothing else is under way.
    pub async fn enter(self: &Arc<Self>, tokens: u64) -> Ticket {
        if self.requests.is_none() && self.tokens.is_none() {
            return Ticket(self.clone(), 0);
        }
        loop {
            let wait = match self.admit(tokens) {
                Ok(id) => return Ticket(self.clone(), id),
                Err(wait) => wait,
            };
            sleep(wait).await;
        }
    }

    /// The number of the call, or the time until it is worth asking again.
    fn admit(&self, tokens: u64) -> Result<u64, Duration> {
        let (mut calls, now) = (self.calls(), Instant::now());
        while calls.front().is_some_and(|(at, ..)| now.duration_since(*at) >= MINUTE) {
            calls.pop_front();
        }
        let taken: u64 = calls.iter().map(|(_, _, tokens)| tokens).sum();
        let fits = self.requests.is_none_or(|most| (calls.len() as u64) < most)
            && self.tokens.is_none_or(|most| taken.saturating_add(tokens) <= most);
        match calls.front() {
            Some((oldest, ..)) if !fits => Err(MINUTE.saturating_sub(now.duration_since(*oldest))),
            _ => {
                let id = calls.back().map_or(1, |(_, id, _)| id + 1);
                calls.push_back((now, id, tokens));
                Ok(id)
            }
        }
    }
}

impl Ticket {
    /// Says what the call took in the end.
    pub fn settle(&self, tokens: u64) {
        if let Some(call) = self.0.calls().iter_mut().find(|(_, id, _)| *id == self.1) {
            call.2 = tokens;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_minute_has_more_requests_or_tokens() {
        let (limits, began) = (Limits::new(Some(3), Some(100)), Instant::now());
        for _ in 0..3 {
            limits.enter(10).await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        limits.enter(10).await;
        assert!(began.elapsed() >= MINUTE);
        let first = limits.enter(80).await;
        assert!(began.elapsed() < MINUTE + Duration::from_secs(1));
        first.settle(5);
        limits.enter(80).await;
        assert!(began.elapsed() < MINUTE + Duration::from_secs(1), "what was not used is free");
        limits.enter(1000).await;
        assert!(began.elapsed() >= MINUTE * 2, "more than ever fits waits for all others");
    }
}
