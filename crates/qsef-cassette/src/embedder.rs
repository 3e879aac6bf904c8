use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use qsef_core::{AnyEmbedder, Embedder, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{failure::Failure, file::Subject, tape::Tape};

/// An embedder that is recorded, or played back where there is none.
pub struct Taped {
    pub tape: Arc<Tape>,
    pub name: String,
    pub dimensions: usize,
    pub real: Option<AnyEmbedder>,
}

/// What came of a request, as it stands in a cassette.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// The vectors' places.
    Vectors(Vec<usize>),
    Error(Failure),
}

impl Taped {
    /// The vector at a place of the tape.
    fn vector(&self, place: usize) -> Result<Vec<f32>> {
        let bytes = self.tape.vector(place).and_then(|text| BASE64.decode(text).ok());
        let vector: Option<Vec<f32>> =
            bytes.map(|bytes| bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect());
        vector.filter(|v| v.len() == self.dimensions).ok_or_else(|| {
            Error::Input(format!(
                "{}: there is no vector of {} numbers at place {place}",
                self.tape.path.display(),
                self.dimensions
            ))
        })
    }
}

impl Embedder for Taped {
    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let subject = Subject::Embedder(self.name.clone());
        let told = json!(texts);
        let Some(real) = &self.real else {
            return match self.tape.play(&subject, told)? {
                Answer::Vectors(places) => places.into_iter().map(|place| self.vector(place)).collect(),
                Answer::Error(failure) => Err(failure.into()),
            };
        };
        let number = self.tape.begin(subject, told);
        let made = real.embed(texts).await;
        let encoded =
            |vector: &Vec<f32>| BASE64.encode(vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
        let answer = match &made {
            Ok(vectors) => Answer::Vectors(vectors.iter().map(|vector| self.tape.place(encoded(vector))).collect()),
            Err(error) => Answer::Error(error.into()),
        };
        self.tape.end(number, json!(answer));
        made
    }
}
