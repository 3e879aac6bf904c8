use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use qsef_core::{AnyExpert, ExpertCall, Outcome, Result};
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::{
    Guard,
    middleware::{self, TranslateLayer},
    run::{Fault, RetryBudget},
    translate::Translator,
};

/// Calls of experts at the same time, over all runs of a hub, unless [`crate::Hub::with_max_calls`] says otherwise.
const MAX_CALLS: usize = 64;

/// Calls experts for all runs of a hub and its clones.
#[derive(Clone)]
pub(crate) struct Caller {
    pub translation: TranslateLayer,
    pub guards: Vec<Arc<dyn Guard>>,
    pub retries: RetryBudget,
    places: Arc<Semaphore>,
}

impl Caller {
    pub fn new(translator: Translator) -> Self {
        Self {
            translation: TranslateLayer::new(translator),
            guards: Vec::new(),
            retries: RetryBudget::default(),
            places: Arc::new(Semaphore::new(MAX_CALLS)),
        }
    }

    /// Sets the calls at the same time, at least 1.
    pub fn limit(&mut self, calls: usize) {
        self.places = Arc::new(Semaphore::new(calls.clamp(1, Semaphore::MAX_PERMITS)));
    }

    /// Calls an expert, within the hub's limits and under its guards; how long the call itself took.
    pub async fn call(&self, expert: AnyExpert, call: ExpertCall) -> (Result<Outcome>, Duration) {
        // It is closed nowhere.
        let _place = self.places.acquire().await;
        let began = Instant::now();
        let span = tracing::info_span!(
            "execute_tool",
            "gen_ai.operation.name" = "execute_tool",
            "gen_ai.tool.name" = expert.profile().id,
            "gen_ai.tool.call.id" = call.id,
            "error.type" = tracing::field::Empty,
        );
        let guarded = async {
            self.guards.iter().try_for_each(|g| g.before(expert.profile(), &call))?;
            let translates = !call.inputs.is_empty();
            let expert =
                if translates { middleware::around(expert.clone(), &self.translation) } else { expert.clone() };
            let outcome = expert.run(call).await?;
            self.guards.iter().try_for_each(|g| g.after(expert.profile(), &outcome))?;
            Ok(outcome)
        };
        let result = guarded.instrument(span.clone()).await;
        if let Err(error) = &result {
            span.record("error.type", tracing::field::debug(Fault::kind(error)));
        }
        (result, began.elapsed())
    }
}
