use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use fastembed::{ImageEmbedding, ImageInitOptionsUserDefined, UserDefinedImageEmbeddingModel};
use image::DynamicImage;
use qsef_core::{Error, ImageEmbedder, Media, Result, check_real_model};

use crate::{
    Options, Runtime,
    files::{bad, model, read},
};

/// Images that go through the model together.
const BATCH: usize = 16;

struct Inner {
    name: String,
    dimensions: usize,
    model: Mutex<ImageEmbedding>,
}

/// An embedder of images (CLIP's, or another model of one vector per image) on ONNX Runtime, in this process. Cheap to clone.
#[derive(Clone)]
pub struct FastembedImageEmbedder(Arc<Inner>);

impl FastembedImageEmbedder {
    /// Loads `model.onnx` and `preprocessor_config.json` from a directory; of the [`Options`] only the threads count. `name` is what
    /// the embedder is called in errors and reports.
    ///
    /// # Errors
    /// [`Error::ModelFile`] naming the file that is missing or damaged; [`Error::Vetoed`] where real models are forbidden.
    pub fn load(runtime: &Runtime, name: &str, dir: &Path, options: &Options) -> Result<Self> {
        check_real_model(name)?;
        let (path, onnx) = model(dir)?;
        let preprocessor = read(&dir.join("preprocessor_config.json"))?;
        let mut settings = ImageInitOptionsUserDefined::new().with_environment(runtime.0.clone());
        settings.intra_threads = options.threads;
        let files = UserDefinedImageEmbeddingModel::new(onnx, preprocessor);
        let mut model = ImageEmbedding::try_new_from_user_defined(files, settings).map_err(|e| match e {
            fastembed::Error::PreprocessorConfig(why) => bad(&dir.join("preprocessor_config.json"), why),
            other => bad(&path, other),
        })?;
        // The length of vectors is known from one, and a model that fails does so here.
        let probe = model.embed_images(vec![DynamicImage::new_rgb8(64, 64)]).map_err(|e| bad(&path, e))?;
        let dimensions = probe.first().map_or(0, Vec::len);
        Ok(Self(Arc::new(Inner { name: name.to_owned(), dimensions, model: Mutex::new(model) })))
    }

    /// See [`ImageEmbedder::embed_images`]; blocks the thread.
    ///
    /// # Errors
    /// As [`ImageEmbedder::embed_images`]; [`Error::Vetoed`] where real models are forbidden.
    pub fn embed_blocking(&self, images: &[Media]) -> Result<Vec<Vec<f32>>> {
        let Inner { name, model, .. } = self.0.as_ref();
        check_real_model(name)?;
        let mut vectors = Vec::with_capacity(images.len());
        for (index, images) in images.chunks(BATCH).enumerate() {
            let decoded = images.iter().zip(index * BATCH + 1..).map(|(image, place)| decode(image, place));
            let decoded = decoded.collect::<Result<Vec<_>>>()?;
            let made = model.lock().unwrap_or_else(PoisonError::into_inner).embed_images(decoded);
            vectors.extend(made.map_err(|e| Error::Model { model: name.clone(), message: e.to_string() })?);
        }
        Ok(vectors)
    }
}

/// The pixels of an image; what it says of its type is not relied on. The decoder's limits hold: 512 MiB.
fn decode(image: &Media, place: usize) -> Result<DynamicImage> {
    image::load_from_memory(&image.bytes).map_err(|e| {
        let (mime, bytes) = (&image.mime, image.bytes.len());
        Error::Input(format!("image {place} ({mime}, {bytes} bytes) cannot be read: {e}"))
    })
}

impl ImageEmbedder for FastembedImageEmbedder {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn dimensions(&self) -> usize {
        self.0.dimensions
    }

    async fn embed_images(&self, images: Vec<Media>) -> Result<Vec<Vec<f32>>> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.embed_blocking(&images))
            .await
            .map_err(|e| Error::Internal(format!("the embedder's thread ended: {e}")))?
    }
}

impl std::fmt::Debug for FastembedImageEmbedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FastembedImageEmbedder").field("name", &self.0.name).finish_non_exhaustive()
    }
}
