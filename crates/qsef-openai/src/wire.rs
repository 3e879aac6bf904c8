//! The JSON of the API: what is sent, and what is read of what comes. All that comes is optional: servers differ.

use base64::{Engine, engine::general_purpose::STANDARD};
use qsef_core::{
    FinishReason, Media, Message, OutputFormat, Part, Request, Role, TokenLogprob, Tool, ToolChoice, Usage,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::dialect::{Dialect, SchemaMode};

/// The body of a request for chat completion, streamed.
pub(crate) fn body(name: &str, request: &Request, dialect: &Dialect) -> Value {
    let mut messages: Vec<Value> = request.messages.iter().flat_map(message).collect();
    let mode = dialect.mode();
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    set("model", name.into());
    set("stream", true.into());
    if let OutputFormat::JsonSchema(schema) = &request.format {
        if mode > SchemaMode::Strict {
            instruct(&mut messages, &format!("{}\n\n{schema}", include_str!("../../../prompts/schema.md").trim()));
        }
        let schema = |strict| json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": strict}});
        match mode {
            SchemaMode::Strict => set("response_format", schema(true)),
            SchemaMode::Loose => set("response_format", schema(false)),
            SchemaMode::Object => set("response_format", json!({"type": "json_object"})),
            SchemaMode::Prompt => {}
        }
    }
    set("messages", messages.into());
    if !request.tools.is_empty() {
        set("tools", request.tools.iter().map(Tool::to_json).collect());
        match &request.tool_choice {
            ToolChoice::Required => set("tool_choice", "required".into()),
            ToolChoice::Named(name) => {
                set("tool_choice", json!({"type": "function", "function": {"name": name}}));
            }
            _ => {}
        }
    }
    let limit = if dialect.takes("max_tokens") { "max_tokens" } else { "max_completion_tokens" };
    set(limit, request.max_tokens.into());
    if dialect.takes("temperature") {
        // Through text: 0.7 as f64 would be 0.699999988079071.
        set("temperature", request.temperature.to_string().parse().map_or(Value::Null, |t: f64| t.into()));
    }
    if request.temperature > 0.0 && dialect.takes("seed") {
        set("seed", request.seed.into());
    }
    if request.top_logprobs > 0 && dialect.takes("logprobs") {
        set("logprobs", true.into());
        set("top_logprobs", request.top_logprobs.into());
    }
    if dialect.takes("stream_options") {
        set("stream_options", json!({"include_usage": true}));
    }
    body.into()
}

/// A message; as many as it has results of tools, where it has any.
fn message(message: &Message) -> Vec<Value> {
    let results = message.parts.iter().filter_map(|part| match part {
        Part::ToolResult { id, text } => Some(json!({"role": "tool", "tool_call_id": id, "content": text})),
        _ => None,
    });
    let results: Vec<Value> = results.collect();
    if !results.is_empty() {
        return results;
    }
    let role = match message.role {
        // The API's own role for it needs the id of a call, which a result without one does not have.
        Role::Tool => "user",
        role => role.as_str(),
    };
    let calls = message.parts.iter().filter_map(|part| match part {
        Part::ToolCall(call) => {
            let function = json!({"name": call.name, "arguments": call.arguments.to_string()});
            Some(json!({"id": call.id, "type": "function", "function": function}))
        }
        _ => None,
    });
    let calls: Vec<Value> = calls.collect();
    let said: Vec<&Part> = message.parts.iter().filter(|part| !matches!(part, Part::ToolCall(_))).collect();
    let texts = said.iter().map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None });
    let content: Value = match texts.collect::<Option<String>>() {
        Some(text) if text.is_empty() && !calls.is_empty() => Value::Null,
        Some(text) => text.into(),
        None => said.into_iter().map(part).collect(),
    };
    let mut message = json!({"role": role, "content": content});
    if let Some(fields) = message.as_object_mut().filter(|_| !calls.is_empty()) {
        fields.insert("tool_calls".into(), calls.into());
    }
    vec![message]
}

fn part(part: &Part) -> Value {
    let data = |media: &Media| STANDARD.encode(&media.bytes);
    match part {
        Part::Image(media) => {
            json!({"type": "image_url", "image_url": {"url": format!("data:{};base64,{}", media.mime, data(media))}})
        }
        Part::Audio(media) => {
            let format = if media.mime.contains("wav") { "wav" } else { "mp3" };
            json!({"type": "input_audio", "input_audio": {"data": data(media), "format": format}})
        }
        Part::Text(text) => json!({"type": "text", "text": text}),
        _ => Value::Null,
    }
}

/// Adds an instruction to the system message, or begins with one.
fn instruct(messages: &mut Vec<Value>, instruction: &str) {
    let system = messages.first_mut().filter(|m| m["role"] == "system").and_then(|m| m.get_mut("content"));
    match system {
        Some(Value::String(text)) => text.push_str(&format!("\n\n{instruction}")),
        _ => messages.insert(0, json!({"role": "system", "content": instruction})),
    }
}

/// A piece of a streamed answer, or a whole one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Counts>,
    pub error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice {
    #[serde(alias = "message")]
    delta: Option<Piece>,
    finish_reason: Option<String>,
    logprobs: Option<Logprobs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Piece {
    content: Option<Value>,
    refusal: Option<String>,
    tool_calls: Option<Vec<CallPiece>>,
}

/// A part of a call of a tool.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CallPiece {
    /// Which of the answer's calls it belongs to.
    pub index: Option<usize>,
    pub id: Option<String>,
    pub function: Option<FunctionPiece>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FunctionPiece {
    pub name: Option<String>,
    /// A part of the JSON; some servers send the object itself.
    pub arguments: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Logprobs {
    content: Option<Vec<Logprob>>,
}

#[derive(Debug, Deserialize)]
struct Logprob {
    token: String,
    logprob: f32,
    #[serde(default)]
    top_logprobs: Vec<Logprob>,
}

/// Tokens as a server counts them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Counts {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    cached_tokens: Option<u64>,
}

impl Chunk {
    fn choice(&self) -> Option<&Choice> {
        self.choices.as_ref()?.first()
    }

    /// The text of the piece; empty where it has none.
    pub fn text(&self) -> String {
        let Some(piece) = self.choice().and_then(|choice| choice.delta.as_ref()) else { return String::new() };
        let text = match &piece.content {
            Some(Value::String(text)) => text.clone(),
            // Some servers send parts.
            Some(Value::Array(parts)) => parts.iter().filter_map(|p| p.get("text")?.as_str()).collect(),
            _ => String::new(),
        };
        text + piece.refusal.as_deref().unwrap_or_default()
    }

    /// The parts of calls in the piece.
    pub fn calls(&mut self) -> Vec<CallPiece> {
        let choice = self.choices.as_mut().and_then(|choices| choices.first_mut());
        choice.and_then(|choice| choice.delta.as_mut()?.tool_calls.take()).unwrap_or_default()
    }

    pub fn logprobs(&self) -> Vec<TokenLogprob> {
        let tokens = self.choice().and_then(|choice| choice.logprobs.as_ref()?.content.as_ref());
        let read = |one: &Logprob| TokenLogprob {
            token: one.token.clone(),
            logprob: one.logprob,
            top: one.top_logprobs.iter().map(|top| (top.token.clone(), top.logprob)).collect(),
            // Servers that name tokens by their numbers write them so (vLLM's `return_tokens_as_token_ids`).
            top_ids: one
                .top_logprobs
                .iter()
                .map_while(|top| top.token.strip_prefix("token_id:")?.parse().ok())
                .collect(),
        };
        tokens.into_iter().flatten().map(read).collect()
    }

    /// Why it ended, where it did; an error where a filter of the server ended it.
    pub fn finish(&self) -> Option<Result<FinishReason, &'static str>> {
        let reason = self.choice()?.finish_reason.as_deref().filter(|reason| !reason.is_empty())?;
        Some(match reason {
            "length" => Ok(FinishReason::Length),
            "tool_calls" | "function_call" => Ok(FinishReason::ToolCalls),
            "content_filter" => Err("the server's content filter cut the answer"),
            _ => Ok(FinishReason::Stop),
        })
    }

    pub fn usage(&self) -> Option<Usage> {
        self.usage.as_ref().map(Counts::usage)
    }
}

impl Counts {
    pub fn usage(&self) -> Usage {
        let prompt_tokens = self.prompt_tokens.unwrap_or_default();
        let cached = self.prompt_tokens_details.as_ref().and_then(|d| d.cached_tokens).unwrap_or_default();
        let completion_tokens = self.completion_tokens.unwrap_or_default();
        Usage { prompt_tokens, cached_tokens: cached.min(prompt_tokens), completion_tokens }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qsef_core::ToolCall;

    fn request() -> Request {
        Request::new(vec![Message::system("Be brief."), Message::user("Hi")]).json_schema(json!({"type": "object"}))
    }

    #[test]
    fn a_request_says_all_that_qsef_asks_for() {
        let mut request = request();
        (request.temperature, request.seed, request.top_logprobs) = (0.7, 5, 2);
        let body = body("m", &request, &Dialect::default());
        assert_eq!(body["messages"][0], json!({"role": "system", "content": "Be brief."}));
        assert_eq!(body["response_format"]["json_schema"]["strict"], true);
        assert_eq!((&body["temperature"], &body["seed"]), (&json!(0.7), &json!(5)));
        assert_eq!((&body["top_logprobs"], &body["max_tokens"]), (&json!(2), &json!(1024)));
        assert_eq!(body["stream_options"]["include_usage"], true);
    }

    #[test]
    fn what_a_server_refused_is_left_out_or_said_otherwise() {
        let dialect = Dialect::default();
        for refusal in
            ["use max_completion_tokens, not max_tokens", "temperature is not supported", "unknown: stream_options"]
        {
            assert!(dialect.learn(refusal, None));
        }
        dialect.weaken(SchemaMode::Loose);
        let body = body("m", &request(), &dialect);
        assert_eq!(body["response_format"], json!({"type": "json_object"}));
        let system = body["messages"][0]["content"].as_str().unwrap();
        assert!(
            system.starts_with("Be brief.\n\nWrite one JSON") && system.ends_with(r#"{"type":"object"}"#),
            "{system}"
        );
        assert_eq!(body["max_completion_tokens"], 1024);
        assert!(
            body.get("temperature").is_none() && body.get("stream_options").is_none() && body.get("seed").is_none()
        );
    }

    #[test]
    fn pictures_and_sounds_are_parts() {
        let media = |mime: &str| Media { mime: mime.into(), bytes: vec![1, 2, 3] };
        let parts = vec![Part::Text("See".into()), Part::Image(media("image/png")), Part::Audio(media("audio/wav"))];
        let sent = message(&Message { role: Role::User, parts }).remove(0);
        assert_eq!(sent["content"][1]["image_url"]["url"], "data:image/png;base64,AQID");
        assert_eq!(sent["content"][2]["input_audio"], json!({"data": "AQID", "format": "wav"}));
    }

    #[test]
    fn tools_calls_and_results_are_sent_as_the_api_has_them() {
        let call = ToolCall { id: "c1".into(), name: "sun".into(), arguments: json!({"city": "Oslo"}) };
        let result = |id: &str| Part::ToolResult { id: id.into(), text: "up".into() };
        let request = Request::new(vec![
            Message::user("Hi"),
            Message::calls("", [call]),
            Message { role: Role::Tool, parts: vec![result("c1"), result("c2")] },
        ]);
        let request = request.tools([Tool::new("sun", "Is it up?", json!({"type": "object"}))]);
        let body = body("m", &request.tool_choice(ToolChoice::Named("sun".into())), &Dialect::default());
        let function = json!({"name": "sun", "arguments": "{\"city\":\"Oslo\"}"});
        let asked = json!([{"id": "c1", "type": "function", "function": function}]);
        assert_eq!(body["messages"][1], json!({"role": "assistant", "content": null, "tool_calls": asked}));
        assert_eq!(body["messages"][2], json!({"role": "tool", "tool_call_id": "c1", "content": "up"}));
        assert_eq!(body["messages"][3]["tool_call_id"], "c2");
        assert_eq!(body["tool_choice"]["function"]["name"], "sun");
        assert_eq!(body["tools"][0]["function"]["description"], "Is it up?");
    }

    #[test]
    fn chunks_are_read_whatever_they_lack() {
        let read = |value: Value| serde_json::from_value::<Chunk>(value).unwrap();
        assert_eq!(read(json!({"choices": null})).text(), "");
        assert_eq!(read(json!({"choices": [{"delta": null, "finish_reason": ""}]})).finish(), None);
        let whole = read(
            json!({"choices": [{"message": {"content": [{"type": "text", "text": "a"}]}, "finish_reason": "eos"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 2}}}),
        );
        assert_eq!((whole.text().as_str(), whole.finish()), ("a", Some(Ok(FinishReason::Stop))));
        assert_eq!(whole.usage(), Some(Usage { prompt_tokens: 3, cached_tokens: 2, completion_tokens: 1 }));
        assert!(read(json!({"choices": [{"finish_reason": "content_filter"}]})).finish().unwrap().is_err());
    }
}
