use std::collections::VecDeque;

use llama_cpp_2::{
    context::{
        LlamaContext,
        session::{LlamaStateSeqFlags, SeqState},
    },
    llama_batch::LlamaBatch,
    model::LlamaModel,
    token::LlamaToken,
};
use qsef_core::{Error, Result};
use qsef_decode::{Kernels, Sequence, Tail, common};

use crate::{Options, file::backend};

/// The saved states of earlier calls have at most as many bytes together.
const SAVED_BYTES: usize = 256 << 20;

/// llama.cpp's context: the tokens whose state it holds, and copies of the states of earlier calls.
pub(crate) struct Session<'m> {
    context: LlamaContext<'m>,
    batch: LlamaBatch<'static>,
    tokens: Vec<u32>,
    size: usize,
    /// The least recently used first.
    saved: VecDeque<Saved>,
}

struct Saved {
    tokens: Vec<u32>,
    state: SeqState,
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Internal(format!("llama.cpp: {error}"))
}

impl<'m> Session<'m> {
    pub fn new(model: &'m LlamaModel, options: &Options) -> Result<Self> {
        let context = model
            .new_context(backend()?, options.of_context(model))
            .map_err(|_| failed("it cannot make a context; its log says why (too little memory for it, mostly)"))?;
        let batch = LlamaBatch::new(Self::CHUNK, 1);
        Ok(Self { context, batch, tokens: Vec::new(), size: options.context_of(model), saved: VecDeque::new() })
    }

    /// Turns to the state that shares the longest beginning with `prompt`. What is held is saved, unless at least half of the
    /// prompt goes on from it.
    pub fn turn_to(&mut self, prompt: &[u32]) {
        let here = self.common(prompt);
        if here * 2 >= prompt.len() {
            return;
        }
        self.save();
        let shared = |saved: &Saved| common(&saved.tokens, prompt);
        let Some(best) = (0..self.saved.len()).max_by_key(|index| self.saved.get(*index).map(shared)) else { return };
        let Some(saved) = self.saved.remove(best) else { return };
        if shared(&saved) > here {
            match self.context.state_seq_set(&saved.state, 0) {
                Ok(()) => self.tokens.clone_from(&saved.tokens),
                Err(error) => {
                    tracing::warn!("the state of an earlier call cannot be used again: {error}");
                    self.forget(0);
                }
            }
        }
        self.saved.push_back(saved);
    }

    /// Copies the state that is held; copies of its beginnings go.
    fn save(&mut self) {
        if self.tokens.is_empty() {
            return;
        }
        match self.context.state_seq_get(0, LlamaStateSeqFlags::empty()) {
            Ok(state) => {
                self.saved.retain(|saved| !self.tokens.starts_with(&saved.tokens));
                self.saved.push_back(Saved { tokens: self.tokens.clone(), state });
            }
            Err(error) => tracing::warn!("the state of a call cannot be kept: {error}"),
        }
        let bytes = |saved: &VecDeque<Saved>| saved.iter().map(|saved| saved.state.byte_len()).sum::<usize>();
        while bytes(&self.saved) > SAVED_BYTES {
            self.saved.pop_front();
        }
    }

    /// Forgets all from position `len` on; everything where the model's state has no parts.
    fn forget(&mut self, len: usize) {
        let kept = self.context.clear_kv_cache_seq(Some(0), u32::try_from(len).ok(), None);
        if kept == Ok(true) {
            self.tokens.truncate(len);
        } else {
            // That of all always succeeds.
            let _ = self.context.clear_kv_cache_seq(Some(0), None, None);
            self.tokens.clear();
        }
    }

    /// Runs one chunk through the model, the last `rows` of it with logits.
    fn decode(&mut self, chunk: &[u32], rows: usize) -> Result<()> {
        self.batch.clear();
        let start = self.tokens.len();
        for (index, token) in chunk.iter().enumerate() {
            let position = (start + index) as i32;
            let wanted = index + rows >= chunk.len();
            self.batch.add(LlamaToken(*token as i32), position, &[0], wanted).map_err(failed)?;
        }
        if let Err(error) = self.context.decode(&mut self.batch) {
            self.forget(start);
            return Err(failed(error));
        }
        self.tokens.extend_from_slice(chunk);
        Ok(())
    }
}

/// The logits after each of the last tokens of a feed.
pub(crate) struct Rows(Vec<Vec<f32>>);

impl Tail for Rows {
    fn logits(&mut self, row: usize) -> Result<Vec<f32>> {
        self.0.get_mut(row).map(std::mem::take).ok_or_else(|| Error::Internal(format!("no logits of row {row}")))
    }
}

impl Sequence for Session<'_> {
    /// llama.cpp's own.
    const CHUNK: usize = 512;

    type Tail = Rows;

    fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    fn truncate(&mut self, len: usize) -> Result<()> {
        if len < self.tokens.len() {
            self.forget(len);
        }
        Ok(())
    }

    fn feed(&mut self, tokens: &[u32], _: Kernels, rows: usize, stop: &dyn Fn() -> bool) -> Result<Option<Rows>> {
        let total = self.tokens.len() + tokens.len();
        if tokens.is_empty() || total > self.size {
            return Err(Error::Input(format!(
                "{total} tokens do not fit the context of {} tokens, or there are none to add",
                self.size
            )));
        }
        let mut chunks = tokens.chunks(Self::CHUNK).peekable();
        while let Some(chunk) = chunks.next() {
            if stop() {
                return Ok(None);
            }
            let wanted = if chunks.peek().is_none() { rows.min(chunk.len()) } else { 0 };
            self.decode(chunk, wanted)?;
            if wanted > 0 {
                let last = chunk.len() - wanted..chunk.len();
                return Ok(Some(Rows(last.map(|row| self.context.get_logits_ith(row as i32).to_vec()).collect())));
            }
        }
        Ok(None)
    }
}

#[cfg(feature = "mtmd")]
impl Session<'_> {
    /// Runs an image or a sound through projector and model.
    pub fn look(&mut self, projector: &mut crate::media::Projector, picture: &crate::media::Picture) -> Result<()> {
        let start = self.tokens.len();
        let batch = Self::CHUNK as i32;
        if let Err(error) =
            picture.chunks.eval_chunks(&mut projector.0, &mut self.context, start as i32, 0, batch, false)
        {
            self.forget(start);
            return Err(failed(error));
        }
        self.tokens.extend_from_slice(&picture.ids);
        Ok(())
    }
}
