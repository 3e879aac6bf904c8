//! What a hub learns from its ledger.

use std::sync::atomic::Ordering;

use qsef_core::Result;

use super::Hub;
use crate::{
    Registry,
    complete::Past,
    ledger::{HistoryQuery, Ledger},
};

/// Outcomes of the ledger that are taken into account, the newest ones.
const RECALLED: usize = 2000;

/// Subtasks after which a hub takes the newest outcomes into account by itself: soon enough to notice an expert that has
/// changed, and seldom enough not to matter.
const LEARNS_EVERY: usize = 25;

/// Requests of the ledger from which it is learned who comes after whom, the newest ones. Each costs an embedding at the start.
const RECALLED_REQUESTS: usize = 200;

impl Hub {
    /// Reads from the ledger how experts did and what followed what, so that the next plan takes it into account. How experts did
    /// a hub reads by itself every 25 subtasks, too. A ledger that cannot be read changes nothing: runs say so.
    pub async fn recall(&mut self) {
        let Some(Ok(ledger)) = self.ledger.clone() else { return };
        let registry = self.registry.clone();
        let read = move || {
            learn(&registry, &ledger)?;
            ledger.requests(RECALLED_REQUESTS)
        };
        let Ok(Ok(requests)) = tokio::task::spawn_blocking(read).await else { return };
        let types = self.registry.types();
        if types.kinds().is_empty() {
            return;
        }
        // The ledger keeps the order of the subtasks, not who fed whom: the types tell that.
        let feeds =
            |a: &str, b: &str| types.place(a).zip(types.place(b)).is_some_and(|(a, b)| types.link(a, b).is_some());
        let past = requests.into_iter().map(|(request, experts)| {
            let pairs = experts.iter().zip(experts.iter().skip(1)).filter(|(a, b)| feeds(a, b));
            Past { request, edges: pairs.map(|(a, b)| (a.clone(), b.clone())).collect(), experts }
        });
        let past = past.collect();
        if let Err(error) = self.completer.learn(&self.registry, past).await {
            tracing::warn!(%error, "what the ledger tells of earlier plans cannot be used");
        }
    }

    /// Counts subtasks, and has the newest outcomes taken into account from time to time, besides the runs.
    pub(super) fn count(&self, subtasks: usize) {
        let Some(Ok(ledger)) = &self.ledger else { return };
        let before = self.unlearnt.fetch_add(subtasks, Ordering::Relaxed);
        if before < LEARNS_EVERY && before + subtasks >= LEARNS_EVERY {
            let (registry, ledger, unlearnt) = (self.registry.clone(), ledger.clone(), self.unlearnt.clone());
            // Nobody waits for it; a ledger that cannot be read has told so in the run.
            tokio::task::spawn_blocking(move || {
                unlearnt.store(0, Ordering::Relaxed);
                learn(&registry, &ledger)
            });
        }
    }
}

/// Takes the newest outcomes of a ledger into account.
fn learn(registry: &Registry, ledger: &Ledger) -> Result<()> {
    let mut query = HistoryQuery::new(registry.embedder().name());
    query.limit = RECALLED;
    registry.remember(&ledger.history(&query)?);
    Ok(())
}
