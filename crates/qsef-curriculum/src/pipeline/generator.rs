//! Items with their tiers, as a stream.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{Stream, StreamExt, stream};
use qsef_core::{AnyEmbedder, AnyModel, Error, Result};
use tokio::task::JoinHandle;

use crate::{
    item::Item,
    measure::Ruler,
    requests::{Asker, Cache, Counted},
    settings::Settings,
    tiers::{Outcome, Tools, tell},
};

/// Items that are worked on at the same time for each request that may be on its way: while one waits for the item before, others
/// go on.
const ITEMS_FOR_EACH: usize = 3;

/// Writes tiers with a model, checks them with an embedder and a judge.
pub struct Generator {
    settings: Settings,
    model: AnyModel,
    judge: Option<AnyModel>,
    embedder: Option<AnyEmbedder>,
    cache: Cache,
    concurrency: usize,
}

impl Generator {
    /// Without an embedder, four requests at a time, judged by the model that writes.
    pub fn new(settings: Settings, model: AnyModel, cache: Cache) -> Self {
        Self { settings, model, judge: None, embedder: None, cache, concurrency: 4 }
    }

    /// Measures the distance of meanings with an embedder; without, words that are shared tell it.
    #[must_use]
    pub fn embedder(mut self, embedder: AnyEmbedder) -> Self {
        self.embedder = Some(embedder);
        self
    }

    /// Has another model judge.
    #[must_use]
    pub fn judge(mut self, model: AnyModel) -> Self {
        self.judge = Some(model);
        self
    }

    /// Sends at most so many requests at a time.
    #[must_use]
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests.max(1);
        self
    }

    /// The tiers of each item, in the order of the items. Dropping the stream ends the work; what was answered is in the cache.
    pub fn outcomes(self, items: Vec<Item>) -> impl Stream<Item = Result<Outcome>> + Send {
        self.counted(items).1
    }

    /// As [`Generator::outcomes`], with what counts the requests.
    pub(crate) fn counted(
        self,
        items: Vec<Item>,
    ) -> (impl Fn() -> Counted + Send + Sync, impl Stream<Item = Result<Outcome>> + Send) {
        let ruler = Ruler::new(&self.settings.student);
        let judge = self.judge.unwrap_or_else(|| self.model.clone());
        let asker = Asker::new(self.model, self.cache, self.concurrency);
        let tools = Arc::new(Tools { settings: self.settings, asker, judge, embedder: self.embedder, ruler });
        let counting = tools.clone();
        let outcomes = stream::iter(items)
            .map(move |item| {
                let tools = tools.clone();
                Spawned(tokio::spawn(async move { tell(&tools, item).await }))
            })
            .buffered(self.concurrency * ITEMS_FOR_EACH);
        (move || counting.asker.counted(), outcomes)
    }
}

/// Work on another thread that ends when nobody waits for it.
struct Spawned<T>(JoinHandle<Result<T>>);

impl<T> Future for Spawned<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let done = std::task::ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(done.unwrap_or_else(|e| Err(Error::Internal(format!("the work on an item ended: {e}")))))
    }
}

impl<T> Drop for Spawned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
