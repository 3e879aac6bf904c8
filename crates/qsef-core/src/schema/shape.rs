//! What schemas themselves look like: whether one can be used, and what is left of it for those who understand little.

use serde_json::{Map, Value};

/// Schemas in schemas end here.
const MAX_DEPTH: usize = 64;

const TYPES: &[&str] = &["object", "array", "string", "number", "integer", "boolean", "null"];

/// Keywords whose values are schemas by name.
const BY_NAME: &[&str] = &["properties", "$defs", "definitions"];

/// Keywords whose values are lists of schemas.
const LISTS: &[&str] = &["allOf", "anyOf", "oneOf"];

/// Keywords that [`super::conforms`] understands, or that people read, and whose values are no schemas.
const KEPT: &[&str] = &[
    "$ref",
    "type",
    "enum",
    "const",
    "required",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "title",
    "description",
    "default",
];

/// Whether a value is a schema that can be used: its types are JSON's, its lists are lists, its references lead to a place in it.
///
/// # Errors
/// The first place that is wrong, and why.
pub fn check(schema: &Value) -> Result<(), String> {
    sound(schema, schema, "$", 0)
}

fn sound(schema: &Value, root: &Value, place: &str, depth: usize) -> Result<(), String> {
    let no = |what: &str| Err(format!("{place} {what}"));
    let Some(rules) = schema.as_object() else {
        return if schema.is_boolean() { Ok(()) } else { no("is neither an object nor a boolean") };
    };
    if depth > MAX_DEPTH {
        return no("is nested too deeply");
    }
    for (name, rule) in rules {
        let place = format!("{place}.{name}");
        let is_type = |name: &Value| name.as_str().is_some_and(|name| TYPES.contains(&name));
        let strings = |list: &Value| list.as_array().is_some_and(|list| list.iter().all(Value::is_string));
        let types = |list: &Value| list.as_array().is_some_and(|l| !l.is_empty() && l.iter().all(is_type));
        let filled = |list: &Value| list.as_array().is_some_and(|list| !list.is_empty());
        let wrong = match name.as_str() {
            "type" if !is_type(rule) && !types(rule) => Some("is no type of JSON"),
            "enum" if !filled(rule) => Some("is not a list of values"),
            "required" if !strings(rule) => Some("is not a list of names"),
            "$ref" if rule.as_str().and_then(|r| root.pointer(r.strip_prefix('#')?)).is_none() => {
                Some("leads to no place in the schema")
            }
            name if BY_NAME.contains(&name) && !rule.is_object() => Some("is not an object"),
            name if LISTS.contains(&name) && !filled(rule) => Some("is not a list of schemas"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(format!("{place} {wrong}"));
        }
        match (name.as_str(), rule) {
            (name, Value::Object(schemas)) if BY_NAME.contains(&name) => {
                schemas.iter().try_for_each(|(n, rule)| sound(rule, root, &format!("{place}.{n}"), depth + 1))?;
            }
            (name, Value::Array(schemas)) if LISTS.contains(&name) || name == "items" => {
                schemas.iter().try_for_each(|rule| sound(rule, root, &place, depth + 1))?;
            }
            ("items" | "additionalProperties" | "not", rule) => sound(rule, root, &place, depth + 1)?,
            _ => {}
        }
    }
    Ok(())
}

/// A schema without the keywords that [`super::conforms`] does not check, for those who refuse what they do not know. What
/// conforms to a schema conforms to its reduced one, too.
pub fn reduced(schema: &Value) -> Value {
    let Some(rules) = schema.as_object() else { return schema.clone() };
    let mut left = Map::new();
    for (name, rule) in rules {
        let (name, rule) = match (name.as_str(), rule) {
            (name, Value::Object(schemas)) if BY_NAME.contains(&name) => {
                (name, schemas.iter().map(|(name, rule)| (name.clone(), reduced(rule))).collect())
            }
            (name, Value::Array(schemas)) if LISTS.contains(&name) => {
                (if name == "oneOf" { "anyOf" } else { name }, schemas.iter().map(reduced).collect())
            }
            ("items", Value::Object(_)) => ("items", reduced(rule)),
            ("additionalProperties", Value::Bool(_)) => ("additionalProperties", rule.clone()),
            (name, rule) if KEPT.contains(&name) => (name, rule.clone()),
            _ => continue,
        };
        left.insert(name.to_owned(), rule);
    }
    left.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_schema_is_named_with_its_place() {
        let good = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "type": ["object", "null"], "required": ["a"],
            "properties": {
                "a": {"$ref": "#/$defs/x"}, "type": {"enum": [1]}, "b": {"items": {"anyOf": [{"type": "string"}, true]}},
                "loop": {"$ref": "#"}
            },
            "$defs": {"x": {"format": "uri"}}, "additionalProperties": {"type": "string"}
        });
        assert_eq!(check(&good), Ok(()));
        for (bad, place) in [
            (json!("object"), "$ is neither"),
            (json!({"type": "banana"}), "$.type is no type"),
            (json!({"type": []}), "$.type is no type"),
            (json!({"properties": []}), "$.properties is not an object"),
            (json!({"properties": {"a": 3}}), "$.properties.a is neither"),
            (json!({"properties": {"a": {"$ref": "#/$defs/none"}}}), "$.properties.a.$ref leads"),
            (json!({"$ref": "https://example.org/s.json"}), "$.$ref leads"),
            (json!({"required": "a"}), "$.required"),
            (json!({"items": {"enum": []}}), "$.items.enum"),
            (json!({"anyOf": []}), "$.anyOf"),
        ] {
            let error = check(&bad).unwrap_err();
            assert!(error.contains(place), "{bad}: {error}");
        }
        let deep = (0..100).fold(json!(true), |inner, _| json!({"items": inner}));
        assert!(check(&deep).unwrap_err().contains("deep"));
    }

    #[test]
    fn what_is_reduced_keeps_what_is_checked() {
        let schema = json!({
            "type": "object", "required": ["a"], "patternProperties": {"^x": {}},
            "properties": {
                "a": {"oneOf": [{"type": "string", "pattern": "(?=x)", "description": "an a"}, {"type": "null"}]},
                "pattern": {"type": "array", "items": {"type": "integer", "multipleOf": 3}, "uniqueItems": true}
            }
        });
        let left = json!({
            "type": "object", "required": ["a"],
            "properties": {
                "a": {"anyOf": [{"type": "string", "description": "an a"}, {"type": "null"}]},
                "pattern": {"type": "array", "items": {"type": "integer"}}
            }
        });
        assert_eq!(reduced(&schema), left);
    }
}
