use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, channel::mpsc};
use qsef_core::{DeltaStream, Error, LanguageModel, Message, ModelInfo, Request, Result, Tool, check_real_model};
use qsef_decode::{Grammars, Job, Kernels, Sampler, Sequence, Tail, Template};

use super::{
    config::DecoderConfig,
    engine::{Making, Order, Sink, serve},
    gguf::Gguf,
    prefix::PrefixStore,
    requantised::Requantised,
    session::Session,
    tokens::Vocabulary,
    weights::Weights,
};

/// State of fewer tokens than these is computed as fast as it is copied.
const COPIED: usize = 16;

/// Sessions kept for reuse. Each holds the attention state of its last call.
const SESSIONS: usize = 3;

/// A GGUF language model that runs in this process. Clones share weights and saved state.
///
/// Answers that are asked for at the same time are made together, in the same passes through the layers.
#[derive(Clone)]
pub struct CandleModel {
    inner: Arc<Inner>,
    prefixes: Option<Arc<PrefixStore>>,
    speculates: bool,
}

struct Inner {
    info: ModelInfo,
    weights: Arc<Weights>,
    vocabulary: Arc<Vocabulary>,
    template: Template,
    grammars: Grammars,
    sessions: Mutex<Vec<Session>>,
    /// The way to the thread that makes the answers; none before the first.
    engine: Mutex<Option<std::sync::mpsc::Sender<Order>>>,
}

impl CandleModel {
    /// Loads a GGUF file of architecture `qwen2` or `llama`. `name` is what the model is called in errors and reports.
    ///
    /// # Errors
    /// [`Error::ModelFile`], naming the file, where it is missing, truncated, damaged or of another architecture;
    /// [`Error::Vetoed`] where real models are forbidden.
    pub fn load(name: &str, path: &Path) -> Result<Self> {
        Self::load_from(name, path, None)
    }

    /// As [`CandleModel::load`], with a folder for what another process need not compute again: in `dir/prefixes` the state of prompt
    /// prefixes ([`Request::prefix_messages`]), at most 2 GiB, and in `dir/weights` the weights that are not multiplied in the form that
    /// the file has them in (Q5_0, Q5_1, Q4_1), at most 8 GiB. The oldest go first.
    ///
    /// # Errors
    /// As [`CandleModel::load`]. A folder that cannot be written is no error.
    pub fn load_with_cache(name: &str, path: &Path, dir: &Path) -> Result<Self> {
        Self::load_from(name, path, Some(dir))
    }

    fn load_from(name: &str, path: &Path, cache: Option<&Path>) -> Result<Self> {
        check_real_model(name)?;
        let gguf = Gguf::open(path)?;
        let fingerprint = gguf.fingerprint();
        let requantised = Requantised::open(cache.map(|dir| dir.join("weights")).as_deref(), &fingerprint);
        let (weights, vocabulary) = std::thread::scope(|scope| {
            let vocabulary = scope.spawn(|| Vocabulary::read(&gguf));
            let weights = Weights::read(&gguf, &requantised);
            let vocabulary = vocabulary.join().unwrap_or_else(|_| Err(gguf.error("the tokenizer could not be built")));
            (weights, vocabulary)
        });
        let (weights, vocabulary) = (weights?, vocabulary?);
        requantised.finish();
        let template =
            Template::new(gguf.text("tokenizer.chat_template"), vocabulary.bos.clone(), vocabulary.eos.clone())?;
        let vocabulary = Arc::new(vocabulary);
        let inner = Inner {
            info: info(name, &gguf, &weights.config),
            grammars: Grammars::new(vocabulary.clone(), weights.vocabulary),
            weights: Arc::new(weights),
            vocabulary,
            template,
            sessions: Mutex::default(),
            engine: Mutex::default(),
        };
        let prefixes = cache.map(|dir| Arc::new(PrefixStore::new(dir.join("prefixes"), fingerprint)));
        Ok(Self { inner: Arc::new(inner), prefixes, speculates: true })
    }

    /// What a GGUF file holds, without loading its weights.
    ///
    /// # Errors
    /// As [`CandleModel::load`].
    pub fn peek(name: &str, path: &Path) -> Result<ModelInfo> {
        let gguf = Gguf::open(path)?;
        Ok(info(name, &gguf, &DecoderConfig::read(&gguf)?))
    }

    /// Whether tokens are guessed from what came before and checked together (prompt-lookup decoding). It is on unless this
    /// turns it off, for answers under a schema at temperature 0.
    #[must_use]
    pub fn with_speculation(mut self, on: bool) -> Self {
        self.speculates = on;
        self
    }

    /// The most tokens that prompt and answer may have together.
    pub fn context_tokens(&self) -> usize {
        self.inner.weights.config.context
    }

    /// A text's tokens. Names of special tokens in it become those tokens.
    ///
    /// # Errors
    /// [`Error::Internal`] where the tokenizer fails.
    pub fn tokenize(&self, text: &str) -> Result<Vec<u32>> {
        self.inner.vocabulary.encode(text)
    }

    /// The prompt text that the model's chat template makes of messages, up to where the model's answer begins.
    ///
    /// # Errors
    /// [`Error::Input`] for a part that is not text or a conversation that the template refuses.
    pub fn prompt(&self, messages: &[Message]) -> Result<String> {
        self.inner.template.render(messages, &[], true, |part| qsef_decode::text(part).map(str::to_owned))
    }

    /// Logits over the vocabulary after each of `tokens`: `[tokens, vocabulary]`.
    ///
    /// # Errors
    /// [`Error::Input`] where there are no tokens or more than the context holds.
    pub fn logits(&self, tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
        Session::new(self.inner.weights.clone()).feed_all(tokens)
    }

    /// The final hidden state, normalised, of each of `tokens`: `[tokens, hidden]`.
    ///
    /// # Errors
    /// As [`CandleModel::logits`].
    pub fn hidden_states(&self, tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
        Session::new(self.inner.weights.clone()).feed_hidden(tokens)
    }

    /// Continues a prompt of tokens greedily, without a template, for at most `count` tokens or until the model stops.
    ///
    /// # Errors
    /// As [`CandleModel::logits`].
    pub fn greedy(&self, tokens: &[u32], count: usize) -> Result<Vec<u32>> {
        let mut session = Session::new(self.inner.weights.clone());
        let mut sampler = Sampler::new(0.0, 0);
        let (mut out, mut pending) = (Vec::new(), tokens.to_vec());
        while out.len() < count {
            let kernels = if out.is_empty() { Kernels::Several } else { Kernels::One };
            let Some(mut tail) = session.feed(&pending, kernels, 1, &|| false)? else { break };
            let logits = tail.logits(0)?;
            let Some(token) = sampler.choose(&logits) else { break };
            out.push(token);
            if self.inner.vocabulary.stops.contains(&token) {
                break;
            }
            pending = vec![token];
        }
        Ok(out)
    }

    fn job(&self, request: &Request) -> Result<Job> {
        let inner = &self.inner;
        let prompt = inner.encode(&request.messages, &request.tools, true)?;
        let (name, context) = (&inner.info.name, inner.weights.config.context);
        let job = Job::new(request, prompt, name, context, &inner.grammars, inner.vocabulary.as_ref())?;
        Ok(if self.speculates { job } else { job.without_guesses() })
    }

    /// How many tokens of `prompt` the recurring messages of a request make.
    fn prefix_tokens(&self, request: &Request, prompt: &[u32]) -> Result<usize> {
        let Some(messages) = request.messages.get(..request.prefix_messages).filter(|m| !m.is_empty()) else {
            return Ok(0);
        };
        let inner = &self.inner;
        let prefix = inner.encode(messages, &request.tools, false)?;
        Ok(qsef_decode::common(&prefix, prompt))
    }

    /// Begins an answer in the session that has most of its prompt, or in a copy of the state of one that is `in_use`; None where
    /// nobody listens any more.
    pub(super) fn begin<'a>(
        &self,
        request: &Request,
        sink: Sink,
        in_use: impl Iterator<Item = &'a Session>,
    ) -> Result<Option<Making>> {
        let mut job = self.job(request)?;
        let mut session = self.inner.session(job.prompt());
        let shared = in_use.map(|other| (other, other.common(job.prompt())));
        if let Some((other, common)) = shared.max_by_key(|(_, common)| *common)
            && common > session.common(job.prompt()) + COPIED
        {
            session.copy(other, common)?;
        }
        let stop = || sink.is_closed();
        if let Some(store) = &self.prefixes {
            let prefix = self.prefix_tokens(request, job.prompt())?;
            job.fresh = store.prepare(&mut session, job.prompt().get(..prefix).unwrap_or_default(), &stop)?;
        }
        if stop() {
            self.keep(session);
            return Ok(None);
        }
        Making::new(self.clone(), job, session, self.inner.vocabulary.clone(), sink).map(Some)
    }

    /// Keeps a session for reuse; the oldest goes where there are enough.
    pub(super) fn keep(&self, session: Session) {
        let mut sessions = self.inner.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.push(session);
        if sessions.len() > SESSIONS {
            sessions.remove(0);
        }
    }
}

/// The tokens of a conversation. What messages contain is text, whatever it looks like.
pub(super) fn encode(
    template: &Template,
    vocabulary: &Vocabulary,
    messages: &[Message],
    tools: &[Tool],
    answer: bool,
) -> Result<Vec<u32>> {
    let prompt = template.render(messages, tools, answer, |part| Ok(vocabulary.seam(qsef_decode::text(part)?)))?;
    vocabulary.encode(&prompt)
}

fn info(name: &str, gguf: &Gguf, config: &DecoderConfig) -> ModelInfo {
    ModelInfo::new(name, config.context).params_b(gguf.parameters() as f64 / 1e9)
}

impl Inner {
    /// Gives an order to the model's thread: one of its own, not the runtime's pool, because candle's kernels keep every core busy,
    /// and an application may have no runtime at all.
    fn order(&self, order: Order) -> Result<()> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        let order = match &*engine {
            Some(sender) => match sender.send(order) {
                Ok(()) => return Ok(()),
                // The thread is gone.
                Err(refused) => refused.0,
            },
            None => order,
        };
        let (sender, orders) = std::sync::mpsc::channel();
        let failed = |e: &dyn std::fmt::Display| Error::Internal(format!("cannot start a thread: {e}"));
        std::thread::Builder::new()
            .name("qsef-decoder".into())
            .spawn(move || serve(&orders))
            .map_err(|e| failed(&e))?;
        sender.send(order).map_err(|e| failed(&e))?;
        *engine = Some(sender);
        Ok(())
    }

    fn encode(&self, messages: &[Message], tools: &[Tool], answer: bool) -> Result<Vec<u32>> {
        encode(&self.template, &self.vocabulary, messages, tools, answer)
    }

    /// Takes the session that shares the longest beginning with `prompt`, or a new one: a session is only overwritten
    /// where at least half of it stays useful or there is no room for another. The least recently used come first.
    fn session(&self, prompt: &[u32]) -> Session {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        match sessions.iter().map(|s| s.common(prompt)).enumerate().max_by_key(|(_, common)| *common) {
            Some((index, common)) if common > 0 && (common * 2 >= prompt.len() || sessions.len() >= SESSIONS) => {
                sessions.remove(index)
            }
            _ if sessions.len() >= SESSIONS => sessions.remove(0),
            _ => Session::new(self.weights.clone()),
        }
    }
}

impl LanguageModel for CandleModel {
    fn info(&self) -> &ModelInfo {
        &self.inner.info
    }

    /// Exact; what cannot be tokenised, such as an image, is estimated.
    fn count_tokens(&self, request: &Request) -> u64 {
        self.inner
            .encode(&request.messages, &request.tools, true)
            .map_or_else(|_| request.approximate_tokens(), |t| t.len() as u64)
    }

    async fn stream(&self, request: Request) -> Result<DeltaStream> {
        check_real_model(&self.inner.info.name)?;
        let (sink, receiver) = mpsc::unbounded();
        self.inner.order(Order { model: self.clone(), request, sink })?;
        Ok(receiver.boxed())
    }
}

impl CandleModel {
    pub(super) fn named(&self, error: Error) -> Error {
        qsef_decode::named(&self.inner.info.name, error)
    }
}

impl std::fmt::Debug for CandleModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CandleModel").field("info", &self.inner.info).finish_non_exhaustive()
    }
}
