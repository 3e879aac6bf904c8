use qsef_core::{Embedder, Error, Result, check_real_model};
use serde::Deserialize;
use serde_json::json;

use crate::{client::Client, limits::Ticket, wire::Counts};

/// The most texts in a request.
const BATCH: usize = 128;

/// A sentence embedder behind an OpenAI-compatible endpoint.
#[derive(Debug, Clone)]
pub struct OpenAiEmbedder {
    client: Client,
    /// What the server calls it.
    model: String,
    name: String,
    dimensions: usize,
}

#[derive(Deserialize)]
struct Vectors {
    data: Vec<Vector>,
    #[serde(default)]
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Vector {
    embedding: Vec<f32>,
    #[serde(default)]
    index: Option<usize>,
}

impl OpenAiEmbedder {
    /// The embedder that the server calls `name`. One text is embedded, to learn how long its vectors are.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    pub async fn open(client: Client, name: &str) -> Result<Self> {
        let mut embedder = Self { client, model: name.to_owned(), name: format!("openai:{name}"), dimensions: 0 };
        embedder.dimensions = embedder.batch(&["dimensions".to_owned()]).await?.first().map_or(0, Vec::len);
        Ok(embedder)
    }

    async fn batch(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        check_real_model(&self.name)?;
        let tokens = texts.iter().map(|text| text.len().div_ceil(4) as u64).sum();
        self.client.attempt(tokens, |at, ticket| self.ask(at, texts, ticket)).await
    }

    async fn ask(&self, at: usize, texts: &[String], ticket: Ticket) -> Result<Vec<Vec<f32>>> {
        let (server, who) = (self.client.server(at)?, self.client.who(at, &self.name));
        // Servers refuse empty texts.
        let input: Vec<&str> = texts.iter().map(|text| if text.is_empty() { " " } else { text }).collect();
        let idle = self.client.settings().idle_timeout;
        let api = server.api.embeddings();
        let call =
            api.create_byot::<_, Vectors>(json!({"model": self.model, "input": input, "encoding_format": "float"}));
        let answer = tokio::time::timeout(idle, call).await;
        let answer = answer.map_err(|_| Error::TimedOut { what: self.name.clone(), after: idle })?;
        let Vectors { mut data, usage } = answer.map_err(|error| who.error(error))?;
        if let Some(counts) = usage {
            ticket.settle(counts.usage().prompt_tokens);
        }
        data.sort_by_key(|vector| vector.index);
        let length = if self.dimensions > 0 { self.dimensions } else { data.first().map_or(0, |v| v.embedding.len()) };
        if data.len() != texts.len() || length == 0 || data.iter().any(|v| v.embedding.len() != length) {
            return Err(who.model(format!(
                "it gave {} vectors for {} texts, or of other lengths",
                data.len(),
                texts.len()
            )));
        }
        data.into_iter().map(|v| unit(v.embedding).ok_or_else(|| who.model("a vector has no direction"))).collect()
    }
}

fn unit(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
    (length.is_finite() && length > 0.0).then_some(vector)
}

impl Embedder for OpenAiEmbedder {
    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            vectors.extend(self.batch(batch).await?);
        }
        Ok(vectors)
    }
}
