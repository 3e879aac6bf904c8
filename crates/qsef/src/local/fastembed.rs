//! Embedders on ONNX Runtime by name.

use std::{path::PathBuf, sync::atomic::AtomicBool};

use qsef_core::{Error, Result, check_real_model};
use qsef_fastembed::{FastembedEmbedder, FastembedImageEmbedder, Options, Runtime};

use super::{FASTEMBED, Models, is_file};

/// The library in the store of models.
const LIBRARY: &str = "onnxruntime";

impl Models {
    /// The embedder of this name, or of this directory, on fastembed: fetched, and ONNX Runtime with it, where it is not here yet.
    /// Dropping the future ends a download soon.
    ///
    /// # Errors
    /// As [`qsef_candle::models::Store::ensure`], [`Runtime::load`] and [`FastembedEmbedder::load`].
    pub async fn fastembed(&self, name: &str) -> Result<FastembedEmbedder> {
        let name = name.to_owned();
        self.blocking(move |models, cancel| {
            let called = format!("{FASTEMBED}{name}");
            check_real_model(&called)?;
            let (dir, options) = models.onnx(&name, cancel)?;
            FastembedEmbedder::load_with(&models.onnx_runtime(cancel)?, &called, &dir, &options)
        })
        .await
    }

    /// The embedder of images in this directory (with or without `fastembed:` before it). Dropping the future ends a download of
    /// ONNX Runtime soon.
    ///
    /// # Errors
    /// As [`Runtime::load`] and [`FastembedImageEmbedder::load`].
    pub async fn image_embedder(&self, name: &str) -> Result<FastembedImageEmbedder> {
        let name = name.strip_prefix(FASTEMBED).unwrap_or(name).to_owned();
        self.blocking(move |models, cancel| {
            let called = format!("{FASTEMBED}{name}");
            check_real_model(&called)?;
            let (dir, options) = models.onnx(&name, cancel)?;
            FastembedImageEmbedder::load(&models.onnx_runtime(cancel)?, &called, &dir, &options)
        })
        .await
    }

    /// The directory of a model, and where its tokenizer is.
    fn onnx(&self, name: &str, cancel: &AtomicBool) -> Result<(PathBuf, Options)> {
        if is_file(name) {
            let dir = PathBuf::from(name);
            let there = dir.is_dir().then_some((dir, Options::default()));
            return there.ok_or_else(|| Error::Input(format!("there is no directory {name}")));
        }
        let spec = self.inner.store.spec(name)?;
        if !spec.files.iter().any(|file| file.name.ends_with(".onnx")) {
            let summary = &spec.summary;
            return Err(Error::Input(format!("`{name}` ({summary}) is no ONNX model; `qsef models list` shows them")));
        }
        let options = match &spec.tokenizer {
            Some(other) => Options::default().tokenizer(self.files(other, cancel)?.dir),
            None => Options::default(),
        };
        Ok((self.files(name, cancel)?.dir, options))
    }

    fn onnx_runtime(&self, cancel: &AtomicBool) -> Result<Runtime> {
        let library = match Runtime::named_by_environment() {
            Some(library) => library,
            None if cfg!(all(target_os = "linux", target_arch = "x86_64")) => self.files(LIBRARY, cancel)?.main(),
            None => {
                return Err(Error::Input(
                    "set QSEF_ONNXRUNTIME to the library of ONNX Runtime 1.24 or later for this platform; it is in \
                     `onnxruntime/capi` of the wheel `onnxruntime`"
                        .into(),
                ));
            }
        };
        Runtime::load(&library)
    }
}
