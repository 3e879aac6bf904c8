use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::FutureExt;
use qsef_core::{Error, ExpertCall, ExpertProfile, Outcome, Result};
use tokio::sync::Semaphore;
use tower_layer::Layer;
use tower_service::Service;

use super::{ExpertService, breaker::Breaker};

/// How long a call may take where the profile sets no limit: a small model on a slow processor writes a page in this time.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Keeps one expert's trouble its own: a call that takes too long is stopped, a panic becomes an error, at most so many
/// calls run at a time, and an expert that keeps failing is left alone for a while.
#[derive(Debug, Clone, Copy, Default)]
pub struct WatchLayer;

impl Layer<ExpertService> for WatchLayer {
    type Service = Watch;

    fn layer(&self, inner: ExpertService) -> Watch {
        let profile = inner.profile();
        let timeout = profile.timeout_s.and_then(|s| Duration::try_from_secs_f64(s).ok()).unwrap_or(TIMEOUT);
        // No expert could ever run with none.
        let places = profile.max_concurrent.map(|n| Arc::new(Semaphore::new(n.clamp(1, Semaphore::MAX_PERMITS))));
        Watch { inner, timeout, places, breaker: Breaker::default() }
    }
}

/// See [`WatchLayer`].
#[derive(Debug, Clone)]
pub struct Watch {
    inner: ExpertService,
    timeout: Duration,
    places: Option<Arc<Semaphore>>,
    breaker: Breaker,
}

impl Service<ExpertCall> for Watch {
    type Response = Outcome;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Outcome>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, call: ExpertCall) -> Self::Future {
        let Self { mut inner, timeout, places, breaker } = self.clone();
        Box::pin(async move {
            let id = |profile: &ExpertProfile| profile.id.clone();
            let what = id(inner.profile());
            // Waiting for a place is not the expert's time.
            let _place = match &places {
                Some(places) => Some(places.acquire().await.map_err(|e| Error::Internal(e.to_string()))?),
                None => None,
            };
            breaker.check(&what)?;
            // The call itself may panic, before there is a future.
            let running = AssertUnwindSafe(async { inner.call(call).await }).catch_unwind();
            let result = match tokio::time::timeout(timeout, running).await {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => {
                    Err(Error::Expert { expert: what, message: format!("it panicked: {}", said(&*panic)) })
                }
                Err(_) => Err(Error::TimedOut { what, after: timeout }),
            };
            breaker.note(&result);
            result
        })
    }
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}
