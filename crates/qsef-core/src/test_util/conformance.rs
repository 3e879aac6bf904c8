//! What every backend has to do, as cases that run on any model or embedder, those of other crates included:
//!
//! ```no_run
//! # async fn example(model: qsef_core::AnyModel) {
//! for (case, outcome) in qsef_core::test_util::conformance::model(&model).await {
//!     assert_eq!(outcome, Ok(()), "{case}");
//! }
//! # }
//! ```
//!
//! A model has to be able to chat; 0.5B parameters are enough. The cases take the time of about 300 tokens.

use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::{Value, json};

use crate::{
    AnyEmbedder, AnyModel, Delta, Error, FinishReason, Generation, ImageEmbedder, Media, Message, Request, Tool,
    ToolCall, ToolChoice, schema,
};

/// A case by name, with the reason where it failed.
pub type Case = (&'static str, Result<(), String>);

/// All cases of a language model, one after the other.
pub async fn model(model: &AnyModel) -> Vec<Case> {
    vec![
        ("an answer ends by itself", ends(model).await),
        ("the pieces of a stream are the whole answer", streams(model).await),
        ("max_tokens cuts the answer", cuts(model).await),
        ("output with a schema conforms to it", conforms(model).await),
        ("output with a schema can be cut", cuts_documents(model).await),
        ("a tool that is required is asked for, or tools are refused", calls(model).await),
        ("what a tool returned is told, or tools are refused", tells(model).await),
        ("usage counts prompt and answer", counts(model).await),
        ("calls at the same time all end", at_once(model).await),
        ("dropping a stream frees the model", frees(model).await),
    ]
}

/// All cases of an embedder, one after the other.
pub async fn embedder(embedder: &AnyEmbedder) -> Vec<Case> {
    vec![
        ("vectors have unit length, one per text", vectors(embedder).await),
        ("a text has nearly the same vector alone and among others", alone(embedder).await),
    ]
}

/// All cases of an embedder of images, one after the other, on at least two images that differ.
pub async fn image_embedder(embedder: &impl ImageEmbedder, images: &[Media]) -> Vec<Case> {
    vec![
        ("images have vectors of unit length, one each", image_vectors(embedder, images).await),
        ("an image has nearly the same vector alone and among others", image_alone(embedder, images).await),
        ("what is no image is refused", no_image(embedder, images).await),
    ]
}

fn ask(text: &str, max_tokens: usize) -> Request {
    Request::new(vec![Message::system("You are a helpful assistant."), Message::user(text)]).max_tokens(max_tokens)
}

const SHORT: &str = "What is the capital of France? Answer with one word.";
const LONG: &str = "Count from 1 to 1000, each number on a line of its own.";

async fn generate(model: &AnyModel, request: Request) -> Result<Generation, String> {
    model.generate(request).await.map_err(|error| error.to_string())
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

async fn ends(model: &AnyModel) -> Result<(), String> {
    let made = generate(model, ask(SHORT, 64)).await?;
    ensure(!made.text.trim().is_empty() && made.finish == FinishReason::Stop, || format!("{made:?}"))
}

async fn streams(model: &AnyModel) -> Result<(), String> {
    let whole = generate(model, ask(LONG, 24)).await?;
    let mut stream = model.stream(ask(LONG, 24)).await.map_err(|error| error.to_string())?;
    let (mut text, mut end) = (String::new(), None);
    while let Some(delta) = stream.next().await {
        match delta.map_err(|error| error.to_string())? {
            _ if end.is_some() => return Err("something came after the end".into()),
            Delta::Text { text: more, .. } => text.push_str(&more),
            Delta::End { usage, finish } => end = Some((usage.completion_tokens, finish)),
            Delta::ToolCall(call) => return Err(format!("no tool was offered: {call:?}")),
            Delta::Reading { .. } => {}
        }
    }
    let expected = (whole.text, Some((whole.usage.completion_tokens, whole.finish)));
    ensure((&text, &end) == (&expected.0, &expected.1), || format!("{:?} and {expected:?}", (text, end)))
}

async fn cuts(model: &AnyModel) -> Result<(), String> {
    let made = generate(model, ask(LONG, 8)).await?;
    let tokens = made.usage.completion_tokens;
    ensure(made.finish == FinishReason::Length && (1..=8).contains(&tokens), || format!("{made:?}"))
}

fn city() -> Value {
    json!({
        "type": "object",
        "properties": {
            "city": {"type": "string", "minLength": 1, "maxLength": 40},
            "kind": {"enum": ["capital", "port", "village"]},
            "rivers": {"type": "array", "items": {"type": "string", "maxLength": 30}, "maxItems": 2}
        },
        "required": ["city", "kind", "rivers"],
        "additionalProperties": false
    })
}

async fn conforms(model: &AnyModel) -> Result<(), String> {
    let made = generate(model, ask("Describe Paris as JSON.", 120).json_schema(city())).await?;
    ensure(made.finish == FinishReason::Stop, || format!("{made:?}"))?;
    let value = serde_json::from_str(&made.text).map_err(|error| format!("{error} in {:?}", made.text))?;
    schema::conforms(&value, &city())
}

async fn cuts_documents(model: &AnyModel) -> Result<(), String> {
    let made = generate(model, ask("Describe Paris as JSON.", 4).json_schema(city())).await?;
    ensure(made.finish == FinishReason::Length, || format!("{made:?}"))
}

fn tools() -> [Tool; 2] {
    let parameters = |name: &str| {
        json!({
            "type": "object",
            "properties": {name: {"type": "string", "minLength": 1, "maxLength": 40}},
            "required": [name],
            "additionalProperties": false
        })
    };
    [
        Tool::new("get_weather", "The present weather in a city.", parameters("city")),
        Tool::new("find_train", "The next train to a station.", parameters("station")),
    ]
}

/// Whether the backend says that it cannot do tools ([`Request::refuse_tools`]).
async fn refuses_tools(model: &AnyModel) -> bool {
    let refused = model.generate(ask("Hi", 4).tools(tools())).await;
    matches!(refused, Err(Error::Input(message)) if message.contains("cannot call tools"))
}

async fn calls(model: &AnyModel) -> Result<(), String> {
    if refuses_tools(model).await {
        return Ok(());
    }
    let request = ask("What is the weather in Oslo?", 120).tools(tools()).tool_choice(ToolChoice::Required);
    let made = generate(model, request.clone()).await?;
    request.check_answer("it", &made).map_err(|error| error.to_string())?;
    let asked = made.finish == FinishReason::ToolCalls && made.calls.iter().any(|call| call.name == "get_weather");
    let mut ids: Vec<&str> = made.calls.iter().map(|call| call.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ensure(asked && ids.len() == made.calls.len(), || format!("{made:?}"))?;
    let other = ToolChoice::Named("find_train".into());
    let made = generate(model, request.tool_choice(other)).await?;
    ensure(made.calls.first().is_some_and(|call| call.name == "find_train"), || format!("{made:?}"))
}

async fn tells(model: &AnyModel) -> Result<(), String> {
    if refuses_tools(model).await {
        return Ok(());
    }
    let call = ToolCall { id: "call-1".into(), name: "get_weather".into(), arguments: json!({"city": "Oslo"}) };
    let mut request = ask("What is the weather in Oslo?", 80).tools(tools());
    request.messages.push(Message::calls("", [call]));
    request.messages.push(Message::tool_result("call-1", r#"{"weather": "snow", "degrees": -17}"#));
    let made = generate(model, request).await?;
    // Either of what was returned is an answer to this question.
    let is_told = ["17", "snow"].iter().any(|told| made.text.to_lowercase().contains(told));
    ensure(is_told && made.calls.is_empty(), || format!("{made:?}"))
}

async fn counts(model: &AnyModel) -> Result<(), String> {
    let short = generate(model, ask("Say yes.", 4)).await?.usage;
    let request = ask(&format!("{} Say yes.", "It rains in the hills. ".repeat(20)), 4);
    let expected = model.count_tokens(&request);
    let long = generate(model, request).await?.usage;
    let near = expected <= 2 * long.prompt_tokens && long.prompt_tokens <= 2 * expected;
    ensure(near, || format!("{expected} tokens were expected and {} used", long.prompt_tokens))?;
    let grows = long.prompt_tokens >= short.prompt_tokens + 60 && long.prompt_tokens >= long.cached_tokens;
    let counted = (1..=4).contains(&short.completion_tokens) && short.prompt_tokens > 0;
    ensure(grows && counted, || format!("{short:?} and {long:?}"))
}

async fn at_once(model: &AnyModel) -> Result<(), String> {
    let calls = (0..3).map(|n| generate(model, ask(&format!("Say the number {n}."), 8)));
    futures::future::try_join_all(calls).await.map(drop)
}

async fn frees(model: &AnyModel) -> Result<(), String> {
    let began = Instant::now();
    generate(model, ask(SHORT, 8)).await?;
    let usual = began.elapsed();
    let mut stream = model.stream(ask(LONG, 2000)).await.map_err(|error| error.to_string())?;
    let first = stream.next().await;
    ensure(matches!(first, Some(Ok(_))), || format!("{first:?}"))?;
    drop(stream);
    let began = Instant::now();
    generate(model, ask(SHORT, 8)).await?;
    let after = began.elapsed();
    // 2,000 tokens take far longer.
    ensure(after < usual * 4 + Duration::from_secs(4), || format!("the next call took {after:?}, others {usual:?}"))
}

async fn embed(embedder: &AnyEmbedder, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
    embedder.embed(texts.iter().map(|text| (*text).to_owned()).collect()).await.map_err(|error| error.to_string())
}

const TEXTS: [&str; 4] =
    ["The cat sleeps on the sofa.", "", "公里", "Quarterly revenue rose by nine percent in Europe."];

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Whether there are so many vectors, all of unit length.
fn units(made: &[Vec<f32>], count: usize, dimensions: usize) -> Result<(), String> {
    let is_unit = |v: &Vec<f32>| v.len() == dimensions && (dot(v, v) - 1.0).abs() < 1e-3;
    ensure(made.len() == count && made.iter().all(is_unit), || format!("{} vectors", made.len()))
}

async fn vectors(embedder: &AnyEmbedder) -> Result<(), String> {
    units(&embed(embedder, &TEXTS).await?, TEXTS.len(), embedder.dimensions())?;
    ensure(embed(embedder, &[]).await?.is_empty(), || "a vector for no text".into())
}

async fn alone(embedder: &AnyEmbedder) -> Result<(), String> {
    let among = embed(embedder, &TEXTS).await?;
    for (text, vector) in TEXTS.iter().zip(&among) {
        let alone = embed(embedder, &[text]).await?;
        let cosine = alone.first().map_or(0.0, |alone| dot(alone, vector));
        // llama.cpp with a 4-bit model of 0.5B: 0.981. Vectors in the wrong order are far below.
        ensure(cosine > 0.95, || format!("{text:?}: cosine {cosine}"))?;
    }
    Ok(())
}

async fn embed_images(embedder: &impl ImageEmbedder, images: &[Media]) -> Result<Vec<Vec<f32>>, String> {
    embedder.embed_images(images.to_vec()).await.map_err(|error| error.to_string())
}

async fn image_vectors(embedder: &impl ImageEmbedder, images: &[Media]) -> Result<(), String> {
    units(&embed_images(embedder, images).await?, images.len(), embedder.dimensions())?;
    ensure(embed_images(embedder, &[]).await?.is_empty(), || "a vector for no image".into())
}

async fn image_alone(embedder: &impl ImageEmbedder, images: &[Media]) -> Result<(), String> {
    for (index, vector) in embed_images(embedder, images).await?.iter().enumerate() {
        let alone = embed_images(embedder, images.get(index..=index).unwrap_or_default()).await?;
        let cosine = alone.first().map_or(0.0, |alone| dot(alone, vector));
        ensure(cosine > 0.99, || format!("image {index}: cosine {cosine}"))?;
    }
    Ok(())
}

async fn no_image(embedder: &impl ImageEmbedder, images: &[Media]) -> Result<(), String> {
    let text = Media { mime: "image/png".into(), bytes: b"This is a text.".to_vec() };
    let mixed = images.iter().take(1).cloned().chain([text]).collect();
    match embedder.embed_images(mixed).await {
        Err(Error::Input(message)) if message.contains("image 2") => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::{LetterEmbedder, ScriptedModel};

    #[tokio::test]
    async fn a_model_that_keeps_to_nothing_is_found_out() {
        let chatty = AnyModel::new(ScriptedModel::new(|_| Ok("Paris ".repeat(50))));
        let failed: Vec<&str> = model(&chatty).await.into_iter().filter(|(_, o)| o.is_err()).map(|(c, _)| c).collect();
        assert_eq!(
            failed,
            [
                "max_tokens cuts the answer",
                "output with a schema conforms to it",
                "output with a schema can be cut",
                "a tool that is required is asked for, or tools are refused",
                "what a tool returned is told, or tools are refused",
                "usage counts prompt and answer"
            ]
        );
    }

    #[tokio::test]
    async fn the_letters_conform() {
        for (case, outcome) in embedder(&AnyEmbedder::new(LetterEmbedder)).await {
            assert_eq!(outcome, Ok(()), "{case}");
        }
    }
}
