/// What [`Progress`] is told.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProgressEvent {
    /// The model's name.
    pub model: String,
    /// What is being done.
    pub phase: Phase,
    /// Bytes done in this phase. An estimate while downloading: the parts that are on their way count as they grow.
    pub done: u64,
    /// Bytes in this phase.
    pub total: u64,
}

/// A step of bringing a model here.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Phase {
    /// Another process is bringing the same model.
    Waiting,
    /// Parts on their way.
    Downloading {
        /// Parts that are finished.
        part: u32,
        /// Parts in all.
        parts: u32,
    },
    /// Checking sha256.
    Verifying,
    /// Putting parts together.
    Assembling,
    /// Something to tell the user; the work goes on.
    Warning(String),
    /// The files are in place.
    Done,
    /// The work ended without the files.
    Stopped,
}

/// Follows [`super::Store::ensure`]. Any `Fn(ProgressEvent)` will do.
pub trait Progress: Sync {
    /// Called from the thread that called `ensure`, up to ten times a second.
    fn update(&self, event: ProgressEvent);
}

impl<F: Fn(ProgressEvent) + Sync> Progress for F {
    fn update(&self, event: ProgressEvent) {
        self(event);
    }
}

/// Reports events for one model.
pub(super) struct Reporter<'a> {
    pub model: &'a str,
    pub progress: &'a dyn Progress,
}

impl Reporter<'_> {
    pub fn tell(&self, phase: Phase, done: u64, total: u64) {
        self.progress.update(ProgressEvent { model: self.model.to_owned(), phase, done, total });
    }

    pub fn warn(&self, message: String) {
        tracing::warn!(model = self.model, "{message}");
        self.tell(Phase::Warning(message), 0, 0);
    }
}
