//! Requests as they stand in a cassette: what is said, without what is left at its default.

use qsef_core::{ExpertCall, Media, Message, OutputFormat, Part, Request, ToolChoice};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// A request to a model, without the hints that change no answer (`prefix_messages`, `prediction`).
pub fn of_model(request: &Request) -> Value {
    let mut fields = Map::new();
    fields.insert("messages".into(), request.messages.iter().map(message).collect());
    match &request.format {
        OutputFormat::Text => {}
        OutputFormat::JsonSchema(schema) => {
            fields.insert("json_schema".into(), schema.clone());
        }
        other => {
            fields.insert("format".into(), format!("{other:?}").into());
        }
    }
    fields.insert("max_tokens".into(), request.max_tokens.into());
    let mut add = |name: &str, is_set: bool, value: Value| {
        if is_set {
            fields.insert(name.to_owned(), value);
        }
    };
    add("tools", !request.tools.is_empty(), json!(request.tools));
    add("tool_choice", request.tool_choice != ToolChoice::Auto, json!(request.tool_choice));
    add("temperature", request.temperature != 0.0, json!(request.temperature));
    add("seed", request.seed != 0, request.seed.into());
    add("top_logprobs", request.top_logprobs != 0, request.top_logprobs.into());
    Value::Object(fields)
}

/// A call of an expert. When the run has to end is not of it.
pub fn of_expert(call: &ExpertCall) -> Value {
    let mut fields = Map::new();
    fields.insert("subtask".into(), call.id.into());
    fields.insert("task".into(), call.task.clone().into());
    let inputs = call.inputs.iter().map(|i| json!({"from": i.from, "task": i.task, "payload": i.payload}));
    fields.insert("inputs".into(), inputs.collect());
    fields.insert("output".into(), json!(call.output));
    fields.insert("background".into(), call.background.clone().into());
    fields.insert("history".into(), call.history.iter().map(message).collect());
    let is_empty = |v: &Value| *v == json!([]) || *v == json!("") || v.is_null();
    fields.retain(|_, value| !is_empty(value));
    Value::Object(fields)
}

fn message(message: &Message) -> Value {
    let role = message.role.as_str();
    match message.as_text() {
        Ok(text) => json!({ role: text }),
        Err(_) => json!({ role: message.parts.iter().map(part).collect::<Value>() }),
    }
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) => text.clone().into(),
        Part::Image(media) => json!({ "image": digest(media) }),
        Part::Audio(media) => json!({ "audio": digest(media) }),
        Part::ToolCall(call) => json!({ "tool_call": call }),
        Part::ToolResult { id, text } => json!({ "tool_result": {"id": id, "text": text} }),
        other => format!("{other:?}").into(),
    }
}

/// Equal bytes are the same request; the bytes themselves would drown the rest.
fn digest(media: &Media) -> String {
    let hash: String = Sha256::digest(&media.bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}, {} bytes, sha256 {hash}", media.mime, media.bytes.len())
}

/// A document whose texts of several lines are lists of lines, to be read and compared.
pub fn by_lines(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\n') => text.split('\n').collect(),
        Value::Array(items) => items.into_iter().map(by_lines).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, by_lines(value))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qsef_core::Role;

    #[test]
    fn defaults_are_left_out_and_lines_and_images_are_short() {
        let image = Part::Image(Media { mime: "image/png".into(), bytes: vec![1, 2, 3] });
        let see = Message { role: Role::User, parts: vec![Part::Text("What is it?".into()), image] };
        let request = Request::new(vec![Message::system("a\nb"), see]).max_tokens(7);
        let value = by_lines(of_model(&request));
        assert_eq!(value["messages"][0], json!({"system": ["a", "b"]}));
        let digest = value["messages"][1]["user"][1]["image"].as_str().unwrap();
        assert!(digest.starts_with("image/png, 3 bytes, sha256 039058c6f2c0cb49"), "{digest}");
        assert_eq!(value.as_object().unwrap().keys().collect::<Vec<_>>(), ["messages", "max_tokens"]);
        assert_eq!(of_expert(&ExpertCall::new("x")), json!({"subtask": 1, "task": "x"}));
    }
}
