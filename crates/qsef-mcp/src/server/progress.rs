//! What happens in a run, as notifications of progress.

use std::collections::BTreeMap;

use qsef_core::{Event, EventSink, SubtaskId};
use rmcp::{
    Peer, RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
    service::RequestContext,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Reports to a client that asked for it how far a call is.
pub(super) struct Progress {
    events: UnboundedReceiver<Event>,
    to: Option<(ProgressToken, Peer<RoleServer>)>,
    count: Count,
}

/// Steps done and steps in all.
#[derive(Debug, Default)]
struct Count {
    done: u32,
    total: u32,
    tasks: BTreeMap<SubtaskId, String>,
}

impl Progress {
    /// The progress of a call, and where its events go.
    pub fn new(context: &RequestContext<RoleServer>) -> (Self, EventSink) {
        let (sender, events) = unbounded_channel();
        let to = context.meta.get_progress_token().map(|token| (token, context.peer.clone()));
        let wanted = to.is_some();
        let sink = EventSink::new(move |event| {
            if wanted {
                let _ = sender.send(event);
            }
        });
        (Self { events, to, count: Count::default() }, sink)
    }

    /// Does the work, and reports meanwhile.
    pub async fn follow<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                Some(event) = self.events.recv() => self.report(&event).await,
            }
        };
        while let Ok(event) = self.events.try_recv() {
            self.report(&event).await;
        }
        done
    }

    async fn report(&mut self, event: &Event) {
        let (Some((token, peer)), Some(message)) = (&self.to, self.count.take(event)) else { return };
        let mut progress = ProgressNotificationParam::new(token.clone(), self.count.done.into());
        progress.total = Some(self.count.total.max(self.count.done).into());
        progress.message = Some(message);
        // Whoever is gone needs no progress.
        let _ = peer.notify_progress(progress).await;
    }
}

impl Count {
    /// What to say of an event, where it is a step.
    fn take(&mut self, event: &Event) -> Option<String> {
        let task = |id: &SubtaskId| self.tasks.get(id).cloned().unwrap_or_default();
        let message = match event {
            Event::Planned { plan, .. } => {
                self.tasks = plan.subtasks.iter().map(|s| (s.id, s.task.chars().take(120).collect())).collect();
                // The plan, and beginning and end of each subtask.
                self.total = u32::try_from(1 + 2 * plan.subtasks.len()).unwrap_or(u32::MAX);
                format!("planned {} subtasks", plan.subtasks.len())
            }
            Event::Started { id } => format!("{id}. {} …", task(id)),
            Event::Finished { id, .. } => format!("{id}. {} is done", task(id)),
            Event::Failed { id, message } => format!("{id}. {} failed: {message}", task(id)),
            Event::Paused { id } => format!("{id}. {} waits for a person's approval", task(id)),
            _ => return None,
        };
        self.done += 1;
        Some(message)
    }
}
