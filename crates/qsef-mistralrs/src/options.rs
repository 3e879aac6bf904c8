/// How a model is loaded and run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub(crate) cpu: bool,
    pub(crate) at_once: Option<usize>,
}

impl Options {
    /// Answers that are made at a time, where nothing else is asked for; others wait.
    pub const AT_ONCE: usize = 32;

    /// Computes on the processor, also where this is built for a GPU and there is one.
    #[must_use]
    pub fn cpu(mut self) -> Self {
        self.cpu = true;
        self
    }

    /// How many answers are made at a time: 32 unless this says otherwise. Others wait.
    #[must_use]
    pub fn at_once(mut self, answers: usize) -> Self {
        self.at_once = Some(answers);
        self
    }
}
