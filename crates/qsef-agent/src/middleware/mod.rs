//! What goes around experts, as tower layers: an expert is a service from an [`ExpertCall`] to an [`Outcome`].

mod breaker;
mod translate;
mod watch;

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use qsef_core::{AnyExpert, Error, Expert, ExpertCall, ExpertProfile, Outcome, Result};
use tower_layer::Layer;
use tower_service::Service;

pub use translate::TranslateLayer;
pub use watch::{Watch, WatchLayer};

/// An expert as a tower service. It is always ready.
#[derive(Debug, Clone)]
pub struct ExpertService(AnyExpert);

impl ExpertService {
    /// The expert's profile.
    pub fn profile(&self) -> &ExpertProfile {
        self.0.profile()
    }
}

impl Service<ExpertCall> for ExpertService {
    type Response = Outcome;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Outcome>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: ExpertCall) -> Self::Future {
        let expert = self.0.clone();
        Box::pin(async move { expert.run(call).await })
    }
}

/// Puts a layer around an expert; the result has the same profile. Layers are put on from the inside out.
pub fn around<L>(expert: AnyExpert, layer: &L) -> AnyExpert
where
    L: Layer<ExpertService>,
    L::Service: Service<ExpertCall, Response = Outcome, Error = Error> + Clone + Send + Sync + 'static,
    <L::Service as Service<ExpertCall>>::Future: Send,
{
    let service = layer.layer(ExpertService(expert.clone()));
    AnyExpert::new(Layered { expert, service })
}

/// An expert with a layer around it.
struct Layered<S> {
    /// The expert within, for what the layer does not touch.
    expert: AnyExpert,
    service: S,
}

impl<S> Expert for Layered<S>
where
    S: Service<ExpertCall, Response = Outcome, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    fn profile(&self) -> &ExpertProfile {
        self.expert.profile()
    }

    fn covers(&self, task: &str) -> Option<f64> {
        self.expert.covers(task)
    }

    fn prompt_tokens(&self, call: &ExpertCall) -> Option<u64> {
        self.expert.prompt_tokens(call)
    }

    async fn run(&self, call: ExpertCall) -> Result<Outcome> {
        let mut service = self.service.clone();
        poll_fn(|context| service.poll_ready(context)).await?;
        service.call(call).await
    }
}
