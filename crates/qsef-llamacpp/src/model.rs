use std::{
    path::Path,
    sync::{Arc, mpsc},
};

use futures::StreamExt;
use llama_cpp_2::model::{LlamaModel, params::LlamaModelParams};
use qsef_core::{DeltaStream, Error, LanguageModel, Message, ModelInfo, Part, Request, Result, Tool, check_real_model};
use qsef_decode::{Grammars, Template, Vocabulary};

use crate::{
    Options,
    file::open,
    session::Session,
    words::Words,
    worker::{Call, Worker},
};

/// A GGUF language model on llama.cpp, in this process. Clones share weights and saved state.
///
/// One generation runs at a time; others wait for it.
#[derive(Clone)]
pub struct LlamaCppModel {
    core: Arc<Core>,
    calls: mpsc::Sender<Call>,
}

/// What the handles of a model and its worker share.
pub(crate) struct Core {
    pub info: ModelInfo,
    pub words: Arc<Words>,
    template: Template,
    pub grammars: Grammars,
}

impl LlamaCppModel {
    /// Loads a GGUF file with the default [`Options`]. `name` is what the model is called in errors and reports.
    ///
    /// # Errors
    /// [`Error::ModelFile`], naming the file, where it is missing, truncated, damaged or of an architecture that llama.cpp does
    /// not know; [`Error::Model`] where there is no memory for its state.
    pub fn load(name: &str, path: &Path) -> Result<Self> {
        Self::load_with(name, path, &Options::default())
    }

    /// Loads a GGUF file.
    ///
    /// # Errors
    /// As [`LlamaCppModel::load`]; [`Error::ModelFile`] for a projector that does not fit; [`Error::Vetoed`] where real models are
    /// forbidden.
    pub fn load_with(name: &str, path: &Path, options: &Options) -> Result<Self> {
        check_real_model(name)?;
        let model = Arc::new(open(path, &options.of_model())?);
        let words = Arc::new(Words::new(model.clone()));
        let vocab = model.vocab();
        let source = model.chat_template(None).ok().and_then(|template| template.to_string().ok());
        let template = Template::new(source.as_deref(), words.name(vocab.bos()), words.name(vocab.eos()))?;
        #[cfg_attr(not(feature = "mtmd"), allow(unused_mut))]
        let mut info = info(name, &model, options);
        #[cfg(feature = "mtmd")]
        let projector = {
            let load = |file| crate::media::Projector::load(file, &model, options.thread_count());
            let projector = options.projector_file().map(load).transpose()?;
            info.accepts.extend(projector.iter().flat_map(|projector| projector.accepts()));
            projector
        };
        let grammars = Grammars::new(words.clone(), words.model().n_vocab() as usize);
        let core = Arc::new(Core { info, words, template, grammars });

        let (calls, queue) = mpsc::channel();
        let (ready, started) = mpsc::channel();
        let (shared, options) = (core.clone(), options.clone());
        // A thread of its own: llama.cpp's context lives there, beside the model that it borrows from.
        let work = move || {
            let core = shared.as_ref();
            let session = match Session::new(core.words.model(), &options) {
                Ok(session) => session,
                Err(error) => return drop(ready.send(Err(error))),
            };
            let _ = ready.send(Ok(()));
            Worker {
                core,
                session,
                #[cfg(feature = "mtmd")]
                projector,
            }
            .serve(&queue);
        };
        std::thread::Builder::new()
            .name("qsef-llamacpp".into())
            .spawn(work)
            .map_err(|e| Error::Internal(format!("cannot start a thread: {e}")))?;
        started.recv().map_err(|_| core.ended())?.map_err(|e| core.failed(e.to_string()))?;
        Ok(Self { core, calls })
    }

    /// What a GGUF file holds, without loading its weights.
    ///
    /// # Errors
    /// As [`LlamaCppModel::load`].
    pub fn peek(name: &str, path: &Path) -> Result<ModelInfo> {
        let model = open(path, &LlamaModelParams::default().with_vocab_only(true))?;
        Ok(info(name, &model, &Options::default()))
    }

    /// A text's tokens. Names of special tokens in it become those tokens.
    ///
    /// # Errors
    /// [`Error::Input`] for a text of more than 2 GB.
    pub fn tokenize(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.core.words.begin(self.core.words.encode(text)?))
    }

    /// The text of tokens; special ones have none.
    pub fn detokenize(&self, tokens: &[u32]) -> String {
        let known = tokens.iter().filter(|token| i64::from(**token) < i64::from(self.core.words.model().n_vocab()));
        let bytes: Vec<u8> = known.flat_map(|token| self.core.words.bytes(*token)).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The prompt text that the model's chat template makes of messages, up to where the model's answer begins.
    ///
    /// # Errors
    /// [`Error::Input`] for a part that is not text or a conversation that the template refuses.
    pub fn prompt(&self, messages: &[Message]) -> Result<String> {
        self.core.render(messages, &[], |part| qsef_decode::text(part).map(str::to_owned))
    }
}

fn info(name: &str, model: &LlamaModel, options: &Options) -> ModelInfo {
    ModelInfo::new(name, options.context_of(model)).params_b(model.n_params() as f64 / 1e9)
}

impl Core {
    pub fn render(
        &self,
        messages: &[Message],
        tools: &[Tool],
        part: impl Fn(&Part) -> Result<String>,
    ) -> Result<String> {
        self.template.render(messages, tools, true, part)
    }

    /// The tokens of a conversation of text. What messages contain is text, whatever it looks like.
    pub fn tokens(&self, messages: &[Message], tools: &[Tool]) -> Result<Vec<u32>> {
        let text = self.render(messages, tools, |part| Ok(self.words.seam(qsef_decode::text(part)?)))?;
        Ok(self.words.begin(self.words.encode(&text)?))
    }

    /// Whether the model's state is one for the whole sequence, so that no end of it can be forgotten.
    pub fn keeps_no_parts(&self) -> bool {
        self.words.model().is_recurrent() || self.words.model().is_hybrid()
    }

    fn failed(&self, message: String) -> Error {
        Error::Model { model: self.info.name.clone(), message }
    }

    fn ended(&self) -> Error {
        self.failed("its worker has ended; load the model again".into())
    }
}

impl LanguageModel for LlamaCppModel {
    fn info(&self) -> &ModelInfo {
        &self.core.info
    }

    /// Exact; what cannot be tokenised, such as an image, is estimated.
    fn count_tokens(&self, request: &Request) -> u64 {
        let tokens = self.core.tokens(&request.messages, &request.tools);
        tokens.map_or_else(|_| request.approximate_tokens(), |tokens| tokens.len() as u64)
    }

    async fn stream(&self, request: Request) -> Result<DeltaStream> {
        check_real_model(&self.core.info.name)?;
        let (answer, deltas) = futures::channel::mpsc::unbounded();
        self.calls.send(Call { request, answer }).map_err(|_| self.core.ended())?;
        Ok(deltas.boxed())
    }
}

impl std::fmt::Debug for LlamaCppModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LlamaCppModel").field("info", &self.core.info).finish_non_exhaustive()
    }
}
