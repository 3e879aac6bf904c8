use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use qsef_core::{Cost, Error, Event, ExpertCall, Means, Outcome, Result};
use tower_layer::Layer;
use tower_service::Service;

use super::ExpertService;
use crate::translate::{Consumer, Translator};

/// Brings what an expert gets from others into what its profile says that it takes. What was done goes out as
/// [`Event::HandedOff`], what is handed over as it came as [`Event::Warning`]; what it cost is a part of the outcome's cost.
#[derive(Clone)]
pub struct TranslateLayer(Arc<Translator>);

impl TranslateLayer {
    /// A layer with this translator.
    pub fn new(translator: Translator) -> Self {
        Self(Arc::new(translator))
    }

    pub(crate) fn translator(&self) -> &Translator {
        &self.0
    }
}

impl Layer<ExpertService> for TranslateLayer {
    type Service = Translating;

    fn layer(&self, inner: ExpertService) -> Translating {
        let consumer = Arc::new(Consumer::new(inner.profile()));
        Translating { inner, consumer, translator: self.0.clone() }
    }
}

/// An expert with its translator.
#[derive(Clone)]
pub struct Translating {
    inner: ExpertService,
    consumer: Arc<Consumer>,
    translator: Arc<Translator>,
}

impl Service<ExpertCall> for Translating {
    type Response = Outcome;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Outcome>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut call: ExpertCall) -> Self::Future {
        let (mut inner, consumer, translator) = (self.inner.clone(), self.consumer.clone(), self.translator.clone());
        Box::pin(async move {
            let mut cost = Cost::default();
            for input in &mut call.inputs {
                let done = translator.translate(&input.payload, &consumer).await;
                cost += done.hand_off.cost;
                input.payload = done.payload;
                let hand_off = done.hand_off;
                if hand_off.means == Means::Verbatim {
                    let message = format!(
                        "{}: `{}` does not take the result of \"{}\": {}",
                        call.id,
                        inner.profile().id,
                        input.task,
                        hand_off.notes.join("; ")
                    );
                    call.events.send(Event::Warning { message });
                }
                if hand_off.means != Means::Untouched || hand_off.flagged() {
                    call.events.send(Event::HandedOff { id: call.id, of: input.from, hand_off });
                }
            }
            let mut outcome = inner.call(call).await?;
            outcome.cost += cost;
            Ok(outcome)
        })
    }
}
