use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use llama_cpp_2::{
    model::LlamaModel,
    mtmd::{MtmdBitmap, MtmdContext, MtmdContextParams, MtmdInputChunks, MtmdInputText, mtmd_default_marker},
};
use qsef_core::{Error, Media, Modality, Result};

/// Where an image or a sound stands in a rendered prompt: a character that no text has (a Unicode noncharacter).
pub(crate) const MARK: char = '\u{FDD1}';

/// The part of a model that turns images and sound into what stands in place of tokens.
pub(crate) struct Projector(pub MtmdContext);

/// An image or a sound, ready to be read.
pub(crate) struct Picture {
    /// A stand-in for each position, above all tokens: the same for the same bytes, so that state is found again.
    pub ids: Vec<u32>,
    /// Tokens that it takes in the context.
    pub tokens: usize,
    pub chunks: MtmdInputChunks,
}

impl Projector {
    /// Loads a projector file.
    ///
    /// # Errors
    /// [`Error::ModelFile`] where it is missing, damaged or not one of this model.
    pub fn load(path: &Path, model: &LlamaModel, threads: i32) -> Result<Self> {
        let name = path.display();
        let file = path.to_str().filter(|_| path.is_file());
        let file = file.ok_or_else(|| Error::ModelFile(format!("there is no projector file {name}")))?;
        let params = MtmdContextParams { print_timings: false, n_threads: threads, ..MtmdContextParams::default() };
        MtmdContext::init_from_file(file, model, &params).map(Self).map_err(|_| {
            Error::ModelFile(format!("llama.cpp cannot load the projector {name} for this model; its log says why"))
        })
    }

    /// What it adds to text.
    pub fn accepts(&self) -> impl Iterator<Item = Modality> {
        let image = self.0.support_vision().then_some(Modality::Image);
        image.into_iter().chain(self.0.support_audio().then_some(Modality::Audio))
    }

    /// Decodes the bytes of an image or a sound.
    ///
    /// # Errors
    /// [`Error::Input`] for bytes that are of no format that llama.cpp reads, or of a kind that the model does not take.
    pub fn read(&self, media: &Media) -> Result<Picture> {
        let refused = |why: &dyn std::fmt::Display| {
            Error::Input(format!(
                "the model cannot read a part of type {} ({} bytes): {why}",
                media.mime,
                media.bytes.len()
            ))
        };
        let bitmap = MtmdBitmap::from_buffer(&self.0, &media.bytes, false).map_err(|e| refused(&e))?;
        let marker = MtmdInputText { text: mtmd_default_marker().to_owned(), add_special: false, parse_special: true };
        let chunks = self.0.tokenize(marker, &[&bitmap]).map_err(|e| refused(&e))?;
        let mut hasher = DefaultHasher::new();
        media.bytes.hash(&mut hasher);
        let ids = (0..chunks.total_positions()).map(|index| {
            let mut hasher = hasher.clone();
            index.hash(&mut hasher);
            hasher.finish() as u32 | 1 << 31
        });
        Ok(Picture { ids: ids.collect(), tokens: chunks.total_tokens(), chunks })
    }
}
