//! A backend of one's own: a model without weights, which passes the suite that every backend has to pass, and streams.
//!
//!     cargo run --release -p qsef --example custom_backend

use futures::{StreamExt, stream};
use qsef::{
    AnyModel, Delta, DeltaStream, FinishReason, LanguageModel, Message, ModelInfo, OutputFormat, Request, Result,
    Usage, test_util::conformance,
};
use serde_json::{Map, Value, json};

/// Knows the capital of France, and how to count.
struct Parrot(ModelInfo);

/// Its tokens are words.
fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// A small document that conforms to a schema.
fn document(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            fields.map(|(name, schema)| (name.clone(), document(schema))).collect::<Map<_, _>>().into()
        }
        Some("array") => json!([]),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        _ => json!("Paris"),
    }
}

impl LanguageModel for Parrot {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn count_tokens(&self, request: &Request) -> u64 {
        request.messages.iter().filter_map(|message| message.as_text().ok()).map(|text| words(&text)).sum()
    }

    async fn stream(&self, request: Request) -> Result<DeltaStream> {
        // A backend that loads or calls a real model asks first whether it may: qsef::check_real_model(&self.0.name)?
        request.refuse_tools(&self.0.name)?;
        let asked = request.messages.last().and_then(|message| message.as_text().ok()).unwrap_or_default();
        let answer = match &request.format {
            OutputFormat::JsonSchema(schema) => format!("{:#}", document(schema)),
            _ if asked.contains("Count") => (1..1000).map(|n| format!("{n}\n")).collect(),
            _ => "Paris".to_owned(),
        };
        let all: Vec<String> = answer.split_inclusive(char::is_whitespace).map(str::to_owned).collect();
        let finish = if all.len() > request.max_tokens { FinishReason::Length } else { FinishReason::Stop };
        let texts: Vec<String> = all.into_iter().take(request.max_tokens).collect();
        let (prompt_tokens, completion_tokens) = (self.count_tokens(&request), texts.len() as u64);
        let usage = Usage { prompt_tokens, completion_tokens, ..Usage::default() };
        let pieces = stream::iter(texts).map(|text| Ok(Delta::Text { text, logprobs: Vec::new() }));
        Ok(pieces.chain(stream::iter([Ok(Delta::End { usage, finish })])).boxed())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let model = AnyModel::new(Parrot(ModelInfo::new("parrot", 4096)));
    for (case, outcome) in conformance::model(&model).await {
        println!("{case}: {}", outcome.err().unwrap_or_else(|| "ok".into()));
    }
    let question = Request::new(vec![Message::user("What is the capital of France?")]);
    println!("{}", model.generate(question).await?.text);
    Ok(())
}
