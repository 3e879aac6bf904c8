use std::{future::Future, pin::Pin, sync::Arc};

use crate::{Media, Result};

/// Maps text to vectors. Implement this in a backend; hold an [`AnyEmbedder`] in an application.
pub trait Embedder: Send + Sync + 'static {
    /// The embedder's name.
    fn name(&self) -> &str;

    /// Length of each vector.
    fn dimensions(&self) -> usize;

    /// One vector of unit length per text, in order; text beyond the model's window is not seen.
    ///
    /// # Errors
    /// [`crate::Error::Model`] when the model fails.
    fn embed(&self, texts: Vec<String>) -> impl Future<Output = Result<Vec<Vec<f32>>>> + Send;
}

/// Maps images to vectors. Implement this in a backend.
pub trait ImageEmbedder: Send + Sync + 'static {
    /// The embedder's name.
    fn name(&self) -> &str;

    /// Length of each vector.
    fn dimensions(&self) -> usize;

    /// One vector of unit length per image, in order.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for bytes that are no image of a format that the embedder reads, naming its place among the images;
    /// [`crate::Error::Model`] when the model fails.
    fn embed_images(&self, images: Vec<Media>) -> impl Future<Output = Result<Vec<Vec<f32>>>> + Send;
}

type EmbedFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<Vec<f32>>>> + Send + 'a>>;

trait ErasedEmbedder: Send + Sync {
    fn name(&self) -> &str;
    fn dimensions(&self) -> usize;
    fn embed(&self, texts: Vec<String>) -> EmbedFuture<'_>;
}

impl<E: Embedder> ErasedEmbedder for E {
    fn name(&self) -> &str {
        Embedder::name(self)
    }
    fn dimensions(&self) -> usize {
        Embedder::dimensions(self)
    }
    fn embed(&self, texts: Vec<String>) -> EmbedFuture<'_> {
        Box::pin(Embedder::embed(self, texts))
    }
}

/// Any embedder, behind a handle that is cheap to clone.
#[derive(Clone)]
pub struct AnyEmbedder(Arc<dyn ErasedEmbedder>);

impl AnyEmbedder {
    /// Wraps an embedder.
    pub fn new(embedder: impl Embedder) -> Self {
        Self(Arc::new(embedder))
    }

    /// The embedder's name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Length of each vector.
    pub fn dimensions(&self) -> usize {
        self.0.dimensions()
    }

    /// See [`Embedder::embed`].
    ///
    /// # Errors
    /// As the embedder's own.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        self.0.embed(texts).await
    }
}

impl std::fmt::Debug for AnyEmbedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AnyEmbedder({})", self.name())
    }
}
