use llguidance::JsonCompileOptions;
use qsef_core::{Message, OutputFormat, Part, Request, ToolChoice};
use serde_json::{Value, json};

use super::{CLOSE, OPEN, around, bare};

/// The most calls in one answer: small models go on and on.
const MOST_CALLS: usize = 8;

/// The grammar of an answer that may ask for tools, in llguidance's dialect of Lark; None for a request without tools.
///
/// Where tools are optional, text comes first, or a document under the request's schema stands in place of calls.
pub fn grammar(request: &Request) -> Option<String> {
    let tools: Vec<_> = request.eligible_tools().collect();
    if tools.is_empty() {
        return None;
    }
    let quoted = |text: &str| Value::from(text).to_string();
    let further = MOST_CALLS - 1;
    let more = format!("({} call){{0,{further}}}", quoted(&format!("\n{OPEN}")));
    let mut rules = match (&request.tool_choice, &request.format) {
        (ToolChoice::Auto, OutputFormat::JsonSchema(schema)) => {
            format!("start: answer | {} call {more}\nanswer: %json {}\n", quoted(OPEN), compact(schema, ",", ":"))
        }
        // A lazy lexeme ends where it first can: at the first tag. Text has no tag in it, and neither begins as a call does.
        (ToolChoice::Auto, _) => {
            let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
            let bare = bare(&format!("({})", names.join("|"))).replace('{', r"\{");
            // A model that is not trained to call functions calls the same one again on what it returned.
            let has_result = |message: &Message| matches!(message.parts.as_slice(), [.., Part::ToolResult { .. }]);
            let alone = if request.messages.last().is_some_and(has_result) { 0 } else { tools.len() };
            let alone: String = (0..alone).map(|number| format!(" | bare_{number}")).collect();
            format!(
                "start: TEXT | to_call call {more}{alone}\nto_call[lazy]: TO_CALL\n\
                 TO_CALL: /(?s:.*){OPEN}/ & ~/{bare}(?s:.*)/\n\
                 TEXT: /(?s:.*)/ & ~/(?s:.*){OPEN}(?s:.*)/ & ~/{bare}(?s:.*)/\n"
            )
        }
        _ => format!("start: {} call {more}\n", quoted(OPEN)),
    };
    let names: Vec<String> = (0..tools.len()).map(|number| format!("call_{number}")).collect();
    rules += &format!("call: {}\n", names.join(" | "));
    for (number, tool) in tools.iter().enumerate() {
        let (before, after) = around(&tool.name);
        let alone = (quoted(before.trim_start()), quoted(after.trim_end()));
        let (before, after) = (quoted(&before), quoted(&format!("{after}{CLOSE}")));
        let mut parameters = tool.parameters.clone();
        if let Some(fields) = parameters.as_object_mut() {
            fields.entry("type").or_insert_with(|| json!("object"));
        }
        rules += &format!("call_{number}: {before} arguments_{number} {after}\n");
        rules += &format!("bare_{number}: {} arguments_{number} {}\n", alone.0, alone.1);
        // As these models write it. A document of its own: references in a schema begin at its root.
        rules += &format!("arguments_{number}: %json {}\n", compact(&parameters, ", ", ": "));
    }
    Some(rules)
}

/// A schema whose documents have this between items and after keys, and no other white space.
fn compact(schema: &Value, item_separator: &str, key_separator: &str) -> Value {
    let mut schema = if schema.is_object() { schema.clone() } else { json!({}) };
    let options = JsonCompileOptions {
        whitespace_flexible: false,
        item_separator: item_separator.into(),
        key_separator: key_separator.into(),
        ..JsonCompileOptions::default()
    };
    options.apply_to(&mut schema);
    schema
}
