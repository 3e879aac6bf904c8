//! Tools for servers that know none: a call is a document under a schema.

use qsef_core::{FinishReason, Generation, Message, OutputFormat, Part, Request, Role, Tool, ToolCall, ToolChoice};
use serde_json::{Map, Value, json};

/// The field of a document that calls no tool.
const ANSWER: &str = "answer";

/// The request without tools: they stand in the system message, and a schema allows calls of them or, where none is required, an
/// answer.
pub(crate) fn put(request: &Request) -> Request {
    let tools: Vec<&Tool> = request.eligible_tools().collect();
    let mut ways: Vec<Value> = tools.iter().map(|tool| way(&tool.name, &tool.parameters)).collect();
    let signatures: Vec<String> = tools
        .iter()
        .map(|tool| {
            json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters}).to_string()
        })
        .collect();
    let prompt = include_str!("../../../prompts/tools_by_schema.md").trim();
    let mut prompt = prompt.replace("{tools}", &signatures.join("\n"));
    if request.tool_choice == ToolChoice::Auto {
        let answer = match &request.format {
            OutputFormat::JsonSchema(schema) => schema.clone(),
            _ => json!({"type": "string"}),
        };
        ways.push(object([(ANSWER, answer)]));
        prompt += "\nTo answer, write {\"answer\": …}. Call a tool only where the answer needs what it returns.";
    }
    let mut messages: Vec<Message> = request.messages.iter().map(|message| plain(message, &request.messages)).collect();
    match messages.first_mut().filter(|first| first.role == Role::System) {
        Some(system) => system.parts.push(Part::Text(format!("\n\n{prompt}"))),
        None => messages.insert(0, Message::system(prompt)),
    }
    let mut put = request.clone();
    (put.messages, put.format) = (messages, OutputFormat::JsonSchema(json!({"anyOf": ways})));
    (put.tools, put.tool_choice) = (Vec::new(), ToolChoice::Auto);
    put
}

/// What a document under such a schema says. One that was cut says nothing.
///
/// # Errors
/// That it is no such document.
pub(crate) fn read(request: &Request, mut made: Generation) -> Result<Generation, String> {
    let text = std::mem::take(&mut made.text);
    made.logprobs.clear();
    if made.finish != FinishReason::Stop {
        return Ok(made);
    }
    let mut document: Map<String, Value> = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    if let Some(answer) = document.remove(ANSWER) {
        made.text = if let Value::String(text) = answer { text } else { answer.to_string() };
        return Ok(made);
    }
    let (Some(Value::String(name)), Some(arguments)) = (document.remove("name"), document.remove("arguments")) else {
        return Err("it is neither a call nor an answer".into());
    };
    let id = format!("call-{}", request.earlier_calls() + 1);
    (made.calls, made.finish) = (vec![ToolCall { id, name, arguments }], FinishReason::ToolCalls);
    Ok(made)
}

fn way(name: &str, parameters: &Value) -> Value {
    object([("name", json!({"const": name})), ("arguments", parameters.clone())])
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> = fields.iter().map(|(name, rule)| ((*name).to_owned(), rule.clone())).collect();
    json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false})
}

/// A message in which calls and results are text.
fn plain(message: &Message, all: &[Message]) -> Message {
    let called = |id: &str| {
        let parts = all.iter().flat_map(|message| &message.parts);
        parts.filter_map(|part| if let Part::ToolCall(call) = part { Some(call) } else { None }).find(|c| c.id == id)
    };
    let parts = message.parts.iter().map(|part| match part {
        Part::ToolCall(call) => Part::Text(json!({"name": call.name, "arguments": call.arguments}).to_string()),
        Part::ToolResult { id, text } => {
            let name = called(id).map_or("the tool", |call| &call.name);
            Part::Text(format!("{name} returned:\n{text}\n"))
        }
        part => part.clone(),
    });
    let is_result = message.parts.iter().any(|part| matches!(part, Part::ToolResult { .. }));
    Message { role: if is_result { Role::User } else { message.role }, parts: parts.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        let call = ToolCall { id: "a".into(), name: "sun".into(), arguments: json!({"city": "Oslo"}) };
        let messages = vec![Message::user("Hi"), Message::calls("", [call]), Message::tool_result("a", "up")];
        Request::new(messages).tools([Tool::new("sun", "Is it up?", json!({"type": "object"}))])
    }

    fn made(text: &str, finish: FinishReason) -> Generation {
        let mut made = Generation::default();
        (made.text, made.finish) = (text.into(), finish);
        made
    }

    #[test]
    fn a_conversation_with_tools_is_one_without() {
        let put = put(&request());
        let texts: Vec<String> = put.messages.iter().map(|m| m.as_text().unwrap()).collect();
        assert!(texts[0].contains(r#""name":"sun","description":"Is it up?""#) && texts[0].contains("To answer"));
        assert_eq!(texts[2..], [r#"{"name":"sun","arguments":{"city":"Oslo"}}"#, "sun returned:\nup\n"]);
        assert_eq!((put.messages[3].role, put.tools.len()), (Role::User, 0));
        let required = super::put(&request().tool_choice(ToolChoice::Required));
        let OutputFormat::JsonSchema(schema) = required.format else { panic!("no schema") };
        assert_eq!(schema["anyOf"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn documents_are_calls_or_answers() {
        let read = |text: &str| read(&request(), made(text, FinishReason::Stop));
        let call = read(r#"{"name": "sun", "arguments": {}}"#).unwrap();
        assert_eq!((call.calls[0].id.as_str(), call.finish), ("call-2", FinishReason::ToolCalls));
        assert_eq!(read(r#"{"answer": "It is up."}"#).unwrap().text, "It is up.");
        assert_eq!(read(r#"{"answer": {"up": true}}"#).unwrap().text, r#"{"up":true}"#);
        assert!(read("{}").is_err());
        let cut = super::read(&request(), made("{\"na", FinishReason::Length)).unwrap();
        assert!(cut.text.is_empty() && cut.calls.is_empty());
    }
}
