//! Values as a reader's schema wants them.

use serde_json::Value;

use super::adapters::json;

/// Makes the numbers and booleans that a schema asks for of texts that spell them exactly, as those of CSV do. A text such as
/// `1.50`, which no JSON number spells, stays.
pub(super) fn fit(value: &mut Value, schema: &Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().zip(std::iter::repeat(schema.get("items"))).for_each(|(item, rule)| {
                rule.into_iter().for_each(|rule| fit(item, rule));
            });
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                schema
                    .get("properties")
                    .and_then(|rules| rules.get(name))
                    .into_iter()
                    .for_each(|rule| fit(field, rule));
            }
        }
        Value::String(text) => match schema.get("type").and_then(Value::as_str) {
            Some("number" | "integer") => *value = json::number(text).map_or_else(|| value.take(), Value::Number),
            Some("boolean") if text == "true" || text == "false" => *value = Value::Bool(text == "true"),
            _ => {}
        },
        _ => {}
    }
}
