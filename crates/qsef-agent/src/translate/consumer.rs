use qsef_core::{AnyEmbedder, ExpertProfile, Format, Modality, Payload, Result};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{check::is_in, kind::Kind, schema};

/// What an expert can read, as its profile says.
#[derive(Debug)]
pub struct Consumer {
    /// Its formats; empty: any.
    takes: Vec<Format>,
    accepts: Vec<Modality>,
    /// What a JSON document that it gets must conform to.
    schema: Option<Value>,
    pub(super) description: String,
    examples: Vec<String>,
    /// Vectors of description and examples.
    vectors: OnceCell<Vec<Vec<f32>>>,
}

/// The most examples that a consumer's meaning is read from.
const MAX_EXAMPLES: usize = 16;

impl Consumer {
    /// The consumer that a profile describes. Its `parameters` are held against JSON only where it says that it takes JSON: the
    /// arguments of others are filled from the words of the task.
    pub fn new(profile: &ExpertProfile) -> Self {
        let schema = profile.parameters.clone().filter(|_| profile.takes.contains(&Format::Json));
        Self {
            takes: profile.takes.clone(),
            accepts: profile.accepts.clone(),
            schema,
            description: profile.description.clone(),
            examples: profile.examples.iter().take(MAX_EXAMPLES).cloned().collect(),
            vectors: OnceCell::new(),
        }
    }

    /// Whether it can read a payload as it is.
    ///
    /// # Errors
    /// Why not, as a sentence.
    pub fn reads(&self, payload: &Payload) -> Result<(), String> {
        if !self.accepts.contains(&payload.modality) {
            return Err("it is not a kind of signal that the expert accepts".into());
        }
        if payload.modality != Modality::Text || self.takes.is_empty() {
            return Ok(());
        }
        if !self.takes.iter().any(|format| is_in(payload, format)) {
            return Err("it is not in a format that the expert takes".into());
        }
        match &self.schema {
            Some(schema) if payload.format == Format::Json => qsef_core::schema::conforms(&payload.value, schema),
            _ => Ok(()),
        }
    }

    /// The formats that a payload may be brought to; plain text where it does not say.
    pub(super) fn goals(&self) -> Vec<(Kind, Format)> {
        if !self.accepts.contains(&Modality::Text) {
            return self.accepts.iter().filter_map(|m| Some((Kind::of_modality(*m)?, Format::Text))).collect();
        }
        let takes = if self.takes.is_empty() { &[Format::Text][..] } else { &self.takes };
        takes.iter().filter_map(|format| Some((Kind::of_format(format)?, format.clone()))).collect()
    }

    /// Brings the values of a JSON document to the types that it asks for, where that changes no spelling.
    pub(super) fn fit(&self, payload: &mut Payload) {
        if let (Some(schema), Format::Json) = (&self.schema, &payload.format) {
            schema::fit(&mut payload.value, schema);
        }
    }

    /// The schema of JSON for it, where it has one.
    pub(super) fn schema(&self) -> Option<&Value> {
        self.schema.as_ref()
    }

    /// The semantic distance, in [0, 1], of a text to the nearest of its description and examples.
    pub(super) async fn distance(&self, text: &[f32], embedder: &AnyEmbedder) -> Result<f32> {
        let make = || async {
            embedder.embed(std::iter::once(&self.description).chain(&self.examples).cloned().collect()).await
        };
        let vectors = self.vectors.get_or_try_init(make).await?;
        Ok(vectors.iter().map(|v| distance(v, text)).fold(1.0, f32::min))
    }
}

/// The semantic distance of two vectors of unit length: (1 − cosine)/2.
pub(super) fn distance(a: &[f32], b: &[f32]) -> f32 {
    let cosine: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    ((1.0 - cosine) / 2.0).clamp(0.0, 1.0)
}
