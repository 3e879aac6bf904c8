use std::future::Future;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{AnyModel, Error, FinishReason, Request, Result, Usage};

/// Typed generation: the schema of a Rust type constrains the output, which is then read into that type.
pub trait GenerateTyped {
    /// Generates a `T`. The request's output format is replaced by `T`'s JSON Schema.
    ///
    /// # Errors
    /// As the model's own, and [`Error::BadOutput`] for output that is cut or does not read as a `T`.
    fn generate_typed<T: JsonSchema + DeserializeOwned>(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<(T, Usage)>> + Send;
}

impl GenerateTyped for AnyModel {
    async fn generate_typed<T: JsonSchema + DeserializeOwned>(&self, request: Request) -> Result<(T, Usage)> {
        let schema = schemars::schema_for!(T).to_value();
        let generation = self.generate(request.json_schema(schema)).await?;
        let bad = |message: String| Error::BadOutput {
            model: self.info().name.clone(),
            message,
            output: generation.text.clone(),
        };
        if generation.finish != FinishReason::Stop {
            return Err(bad("the output reached the token limit before its end".into()));
        }
        let value = serde_json::from_str(&generation.text).map_err(|e| bad(e.to_string()))?;
        Ok((value, generation.usage))
    }
}
