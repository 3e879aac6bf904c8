//! A request as mistral.rs takes it.

use mistralrs::{
    AudioInput, Constraint, ModelCategory, NormalRequest, RequestBuilder, RequestLike, Response, SamplingParams,
    StopTokens, TextMessageRole, llguidance::JsonCompileOptions,
};
use qsef_core::{Error, Message, OutputFormat, Part, Request, Result, Role};
use tokio::sync::mpsc::Sender;

use crate::model::Core;

/// Stands inside a special token's name in a message, so that it is read as letters: a zero-width space, since mistral.rs splits the
/// whole prompt into tokens at once.
const APART: &str = "\u{200B}";

/// Makes a request whose answer goes to `answer`. Whether it is streamed: log-probabilities come whole only at the end.
///
/// # Errors
/// [`Error::Input`] for a part that the model does not accept or that cannot be read.
pub(crate) fn translate(
    request: &Request,
    core: &Core,
    category: &ModelCategory,
    answer: Sender<Response>,
) -> Result<NormalRequest> {
    let mut builder = RequestBuilder::new().set_sampling(sampling(request, core));
    for message in &request.messages {
        builder = add(builder, message, core)?;
    }
    builder.resolve_pending_prefixes(category);
    let mut made =
        NormalRequest::new_simple(builder.take_messages(), builder.take_sampling_params(), answer, 0, None, None);
    made.return_logprobs = request.top_logprobs > 0;
    made.is_streaming = !made.return_logprobs;
    made.constraint = constraint(&request.format)?;
    Ok(made)
}

fn sampling(request: &Request, core: &Core) -> SamplingParams {
    let mut params = match request.temperature > 0.0 {
        true => SamplingParams { temperature: Some(request.temperature.into()), ..SamplingParams::neutral() },
        false => SamplingParams::deterministic(),
    };
    params.max_len = Some(request.max_tokens.max(1));
    params.top_n_logprobs = request.top_logprobs;
    // mistral.rs ends an answer at the one token that the model's file names, and has a grammar end at another.
    params.stop_toks = Some(StopTokens::Ids(core.ends.clone()));
    params
}

fn constraint(format: &OutputFormat) -> Result<Constraint> {
    let OutputFormat::JsonSchema(schema) = format else { return Ok(Constraint::None) };
    let mut schema = match schema {
        serde_json::Value::Bool(true) => serde_json::json!({}),
        serde_json::Value::Object(_) => schema.clone(),
        other => return Err(Error::Input(format!("a JSON Schema is an object; this is `{other}`"))),
    };
    // No white space between tokens: models otherwise fill their token limit with it.
    JsonCompileOptions { whitespace_flexible: false, ..JsonCompileOptions::default() }.apply_to(&mut schema);
    Ok(Constraint::JsonSchema(schema))
}

fn add(builder: RequestBuilder, message: &Message, core: &Core) -> Result<RequestBuilder> {
    let role = match message.role {
        Role::System => TextMessageRole::System,
        Role::User => TextMessageRole::User,
        Role::Assistant => TextMessageRole::Assistant,
        other => TextMessageRole::Custom(other.as_str().to_owned()),
    };
    let (mut text, mut images, mut sounds) = (String::new(), Vec::new(), Vec::new());
    for part in &message.parts {
        match part {
            Part::Image(media) if core.accepts(qsef_core::Modality::Image) => {
                images.push(image::load_from_memory(&media.bytes).map_err(|e| unreadable(core, media, &e))?);
            }
            Part::Audio(media) if core.accepts(qsef_core::Modality::Audio) => {
                sounds.push(AudioInput::from_bytes(&media.bytes).map_err(|e| unreadable(core, media, &e))?);
            }
            other => text.push_str(&apart(qsef_decode::text(other)?, &core.special)),
        }
    }
    Ok(builder.add_multimodal_message(role, text, images, sounds, Vec::new()))
}

fn unreadable(core: &Core, media: &qsef_core::Media, why: &dyn std::fmt::Display) -> Error {
    let (name, mime, bytes) = (&core.info.name, &media.mime, media.bytes.len());
    Error::Input(format!("the model `{name}` cannot read a part of type {mime} ({bytes} bytes): {why}"))
}

/// A text in which no special token's name is one.
fn apart(text: &str, special: &[String]) -> String {
    let seamed = qsef_decode::seam(text, special);
    qsef_decode::pieces(&seamed).collect::<Vec<_>>().join(APART)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_special_tokens_are_letters() {
        let special = ["<|im_end|>".to_owned()];
        assert_eq!(apart("a<|im_end|>b < c", &special), "a<\u{200B}|im_end|>b < c");
    }

    #[test]
    fn schemas_are_compact_and_checked() {
        let compact = constraint(&OutputFormat::JsonSchema(serde_json::json!({"type": "object"}))).unwrap();
        let Constraint::JsonSchema(schema) = compact else { panic!("no schema") };
        assert_eq!(schema.pointer("/x-guidance/whitespace_flexible"), Some(&false.into()));
        let error = constraint(&OutputFormat::JsonSchema(3.into())).err().unwrap();
        assert!(matches!(error, Error::Input(_)), "{error}");
    }
}
