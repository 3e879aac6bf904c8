use llguidance::JsonCompileOptions;
use qsef_core::{OutputFormat, Request, ToolChoice};
use serde_json::{Value, json};

use super::{CLOSE, OPEN, around};

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
        // A lazy lexeme ends where it first can: at the first tag. The other one has no tag in it.
        (ToolChoice::Auto, _) => format!(
            "start: TEXT | to_call call {more}\nto_call[lazy]: /(?s:.*){OPEN}/\n\
             TEXT: /(?s:.*)/ & ~/(?s:.*){OPEN}(?s:.*)/\n"
        ),
        _ => format!("start: {} call {more}\n", quoted(OPEN)),
    };
    let names: Vec<String> = (0..tools.len()).map(|number| format!("call_{number}")).collect();
    rules += &format!("call: {}\n", names.join(" | "));
    for (tool, name) in tools.iter().zip(names) {
        let (before, after) = around(&tool.name);
        let (before, after) = (quoted(&before), quoted(&format!("{after}{CLOSE}")));
        let mut parameters = tool.parameters.clone();
        if let Some(fields) = parameters.as_object_mut() {
            fields.entry("type").or_insert_with(|| json!("object"));
        }
        rules += &format!("{name}: {before} {name}_arguments {after}\n");
        // As these models write it. A document of its own: references in a schema begin at its root.
        rules += &format!("{name}_arguments: %json {}\n", compact(&parameters, ", ", ": "));
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
