use std::{future::Future, path::PathBuf, sync::Arc};

use qsef_core::{AnyEmbedder, AnyExpert, AnyModel, Error, Result};

use crate::{
    Scrubber, embedder::Taped as TapedEmbedder, expert::Taped as TapedExpert, file::File, model::Taped as TapedModel,
    tape::Tape,
};

/// Whether a cassette is made or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Models are called, and what they answer is kept. What was in the file is replaced.
    Record,
    /// Nothing is called: the answers are those in the file.
    #[default]
    Replay,
    /// Records where there is no file yet, and plays back where there is one.
    Auto,
}

impl Mode {
    /// What the environment variable `QSEF_CASSETTE` says: `record`, `replay` or `auto`; replay where it is not set.
    ///
    /// # Errors
    /// [`Error::Input`] for any other value.
    pub fn from_env() -> Result<Self> {
        Self::parse(&std::env::var_os("QSEF_CASSETTE").unwrap_or_default().to_string_lossy())
    }

    fn parse(text: &str) -> Result<Self> {
        match text {
            "record" => Ok(Self::Record),
            "" | "replay" => Ok(Self::Replay),
            "auto" => Ok(Self::Auto),
            other => Err(Error::Input(format!("QSEF_CASSETTE is `{other}`; it may be `record`, `replay` or `auto`"))),
        }
    }
}

/// A recording, as it is made or played back. Cheap to clone; clones are the same recording.
#[derive(Clone)]
pub struct Cassette(Arc<Tape>);

impl std::fmt::Debug for Cassette {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cassette").field("path", &self.0.path).field("records", &self.0.records).finish()
    }
}

impl Cassette {
    /// The cassette in a file, in the mode that the environment says ([`Mode::from_env`]), without the usual secrets. It blocks
    /// while it reads the file.
    ///
    /// # Errors
    /// [`Error::Input`] where there is nothing to play back; [`Error::File`] for a file that is no cassette of this version.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        Self::with(path, Mode::from_env()?, Scrubber::new()?)
    }

    /// The cassette in a file, in this mode, with what this scrubber leaves of texts.
    ///
    /// # Errors
    /// As [`Cassette::open`].
    pub fn with(path: impl Into<PathBuf>, mode: Mode, scrubber: Scrubber) -> Result<Self> {
        let path = path.into();
        let records = mode == Mode::Record || (mode == Mode::Auto && !path.exists());
        Ok(Self(Arc::new(Tape::new(path, records, scrubber)?)))
    }

    /// Whether it is being made.
    pub fn records(&self) -> bool {
        self.0.records
    }

    /// A model whose calls are recorded, or played back. `open` gives the model itself, and is not called where it is not needed.
    ///
    /// # Errors
    /// As `open`; [`Error::Input`] where no model of this name is recorded.
    pub fn model(&self, name: &str, open: impl FnOnce() -> Result<AnyModel>) -> Result<AnyModel> {
        // A name may be a path.
        let name = self.scrub(name);
        let (info, real) = if self.records() {
            let real = open()?;
            let info = real.info().clone();
            let mut told = info.clone();
            told.name = self.scrub(&info.name);
            self.0.file(|file, _| file.models.insert(name.clone(), told));
            (info, Some(real))
        } else {
            let info = self.0.file(|file, _| file.models.get(&name).cloned());
            (info.ok_or_else(|| self.lacks("model", &name, |file| file.models.keys().cloned().collect()))?, None)
        };
        Ok(AnyModel::new(TapedModel { tape: self.0.clone(), name, info, real }))
    }

    /// An embedder whose vectors are recorded, or played back. `open` makes the embedder itself, and is not polled where it is
    /// not needed.
    ///
    /// # Errors
    /// As `open`; [`Error::Input`] where no embedder of this name is recorded.
    pub async fn embedder(&self, name: &str, open: impl Future<Output = Result<AnyEmbedder>>) -> Result<AnyEmbedder> {
        let name = self.scrub(name);
        let (dimensions, real) = if self.records() {
            let real = open.await?;
            self.0.file(|file, _| file.embedders.insert(name.clone(), real.dimensions()));
            (real.dimensions(), Some(real))
        } else {
            let dimensions = self.0.file(|file, _| file.embedders.get(&name).copied());
            (
                dimensions
                    .ok_or_else(|| self.lacks("embedder", &name, |file| file.embedders.keys().cloned().collect()))?,
                None,
            )
        };
        Ok(AnyEmbedder::new(TapedEmbedder { tape: self.0.clone(), name, dimensions, real }))
    }

    /// An expert whose calls are recorded with what it reports, or played back: for one that is a service, or that changes
    /// something. Its profile, and what it says that it covers, are its own in any case.
    pub fn expert(&self, expert: AnyExpert) -> AnyExpert {
        AnyExpert::new(TapedExpert { tape: self.0.clone(), expert })
    }

    /// A text without secrets. A run that takes a text apart, as the score does with a request, is the same when it is played back
    /// only if the secrets were out of the text from the beginning: pass requests that may hold any through this.
    pub fn scrub(&self, text: &str) -> String {
        self.0.file(|_, scrubber| scrubber.text(text))
    }

    /// Notes something about the recording, such as the request that the run began with.
    pub fn note(&self, name: &str, text: &str) {
        self.0.file(|file, scrubber| file.about.insert(name.to_owned(), scrubber.text(text)));
    }

    /// What was noted.
    pub fn noted(&self, name: &str) -> Option<String> {
        self.0.file(|file, _| file.about.get(name).cloned())
    }

    /// Ends the recording: writes the file, or checks that every recorded request came and no other. It blocks while it writes.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written; [`Error::Input`] with the differences where the run was another one.
    pub fn finish(&self) -> Result<()> {
        self.0.finish()
    }

    fn lacks(&self, what: &str, name: &str, names: impl FnOnce(&File) -> Vec<String>) -> Error {
        let (path, names) = (self.0.path.display(), self.0.file(|file, _| names(file)));
        Error::Input(format!("{path} is no recording of the {what} `{name}`, but of: {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_have_their_names() {
        assert_eq!(Mode::parse("").unwrap(), Mode::Replay);
        assert_eq!(Mode::parse("auto").unwrap(), Mode::Auto);
        assert!(Mode::parse("recrod").unwrap_err().to_string().contains("`record`, `replay` or `auto`"));
    }
}
