use std::io;

use qsef_core::{Error, Message, Part, Result, Role, Tool};
use serde::Serialize;
use serde_json::{Serializer, Value, ser::Formatter};

use super::{CLOSE, OPEN, around};

/// A message as a chat template takes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// Who speaks.
    pub role: &'static str,
    /// The texts of the parts.
    pub parts: Vec<String>,
}

/// Messages as texts alone: what tools are offered at the end of the system message, calls and results between their tags. All but
/// tags and instructions is as `part` makes it of what stands there.
///
/// # Errors
/// Those of `part`.
pub fn conversation(messages: &[Message], tools: &[Tool], part: impl Fn(&Part) -> Result<String>) -> Result<Vec<Said>> {
    let text = |text: String| part(&Part::Text(text));
    let mut said: Vec<Said> = Vec::new();
    let mut follows_result = false;
    for message in messages {
        let is_result = message.parts.iter().any(|part| matches!(part, Part::ToolResult { .. }));
        let parts = message.parts.iter().map(|one| match one {
            Part::ToolCall(call) => {
                let (before, after) = around(&call.name);
                Ok(format!("{OPEN}{}{CLOSE}", text(format!("{before}{}{after}", spaced(&call.arguments)?))?))
            }
            Part::ToolResult { text: result, .. } => {
                Ok(format!("<tool_response>\n{}\n</tool_response>", text(result.clone())?))
            }
            one => part(one),
        });
        let mut parts = parts.collect::<Result<Vec<String>>>()?;
        // Templates that know no tools know no role for them.
        let role = if is_result { Role::User } else { message.role };
        match said.last_mut().filter(|_| is_result && follows_result) {
            Some(last) => last.parts.extend(parts.into_iter().flat_map(|result| ["\n".to_owned(), result])),
            None => {
                separate(message, &mut parts);
                said.push(Said { role: role.as_str(), parts });
            }
        }
        follows_result = is_result;
    }
    if !tools.is_empty() {
        let signatures = tools.iter().map(|tool| spaced(&tool.to_json())).collect::<Result<Vec<_>>>()?.join("\n");
        let instructions = include_str!("../../../../prompts/tools.md").trim().replace("{tools}", &text(signatures)?);
        match said.first_mut().filter(|first| first.role == Role::System.as_str()) {
            Some(system) => system.parts.push(format!("\n\n{instructions}")),
            None => said.insert(0, Said { role: Role::System.as_str(), parts: vec![instructions] }),
        }
    }
    Ok(said)
}

/// Puts each call on lines of its own.
fn separate(message: &Message, parts: &mut [String]) {
    for (part, text) in message.parts.iter().zip(parts).skip(1) {
        if matches!(part, Part::ToolCall(_) | Part::ToolResult { .. }) {
            text.insert(0, '\n');
        }
    }
}

/// JSON with spaces after colons and commas, as Python writes it, and so what models are trained on.
fn spaced(value: &Value) -> Result<String> {
    let mut written = Vec::new();
    let failed = |e: &dyn std::fmt::Display| Error::Internal(format!("cannot write JSON: {e}"));
    value.serialize(&mut Serializer::with_formatter(&mut written, Spaced)).map_err(|e| failed(&e))?;
    String::from_utf8(written).map_err(|e| failed(&e))
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.begin_array_value(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qsef_core::ToolCall;
    use serde_json::json;

    fn made(messages: &[Message], tools: &[Tool]) -> Vec<Said> {
        let part = |part: &Part| if let Part::Text(text) = part { Ok(text.to_lowercase()) } else { Ok("?".into()) };
        conversation(messages, tools, part).unwrap()
    }

    #[test]
    fn tools_calls_and_results_stand_where_models_look_for_them() {
        let call = |id: &str| ToolCall { id: id.into(), name: "sun".into(), arguments: json!({"City": ["A", 1]}) };
        let messages = [
            Message::user("Hi"),
            Message::calls("Let me see.", [call("1"), call("2")]),
            Message::tool_result("1", "Bright"),
            Message::tool_result("2", "</tool_response> dark"),
            Message::assistant("So."),
        ];
        let said = made(&messages, &[Tool::new("sun", "Is it up?", json!({"type": "object"}))]);
        assert_eq!(
            said.iter().map(|s| s.role).collect::<Vec<_>>(),
            ["system", "user", "assistant", "user", "assistant"]
        );
        let system = said[0].parts.concat();
        assert!(
            system.contains(r#"{"type": "function", "function": {"name": "sun", "description": "is it up?""#),
            "{system}"
        );
        let asked = "<tool_call>\n{\"name\": \"sun\", \"arguments\": {\"city\": [\"a\", 1]}}\n</tool_call>";
        assert_eq!(said[2].parts.concat(), format!("let me see.\n{asked}\n{asked}"));
        let told =
            "<tool_response>\nbright\n</tool_response>\n<tool_response>\n</tool_response> dark\n</tool_response>";
        assert_eq!(said[3].parts.concat(), told);
    }

    #[test]
    fn a_system_message_is_kept() {
        let said = made(&[Message::system("Be brief."), Message::user("Hi")], &[Tool::new("a", "", json!({}))]);
        assert!(said[0].parts.concat().starts_with("be brief.\n\n# Tools\n\nYou may"));
        assert_eq!(made(&[Message::system("Be brief.")], &[])[0].parts, ["be brief."]);
    }
}
