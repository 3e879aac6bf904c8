//! A subset of JSON Schema, enough to tell whether a document is what an expert takes or a model was asked for. The crates that do
//! all of it bring thirty and more others along (arbitrary precision, URIs, e-mail addresses); arguments of tools do not use that.

mod shape;

use serde_json::Value;
pub use shape::{check, reduced};

/// References to references end here.
const MAX_DEPTH: usize = 64;

/// Whether a document conforms to a schema. Understood are `type`, `enum`, `const`, `properties`,
/// `required`, `additionalProperties: false`, `items`, `minItems`, `maxItems`, `minLength`, `maxLength`, `minimum`, `maximum`,
/// `anyOf`, `oneOf` (as `anyOf`), `allOf` and references within the schema; other keywords are not checked.
///
/// # Errors
/// The first place that does not conform, and why.
pub fn conforms(value: &Value, schema: &Value) -> Result<(), String> {
    at(value, schema, schema, "$", 0)
}

fn at(value: &Value, schema: &Value, root: &Value, place: &str, depth: usize) -> Result<(), String> {
    let Some(rules) = schema.as_object().filter(|_| depth < MAX_DEPTH) else {
        return if *schema == Value::Bool(false) { Err(format!("{place} must not be there")) } else { Ok(()) };
    };
    let no = |what: String| Err(format!("{place} {what}"));
    let under = |schema: &Value| at(value, schema, root, place, depth + 1);
    if let Some(target) = rules.get("$ref").and_then(Value::as_str).and_then(|r| root.pointer(r.strip_prefix('#')?)) {
        under(target)?;
    }
    let types: Vec<&str> = match rules.get("type") {
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
        one => one.and_then(Value::as_str).into_iter().collect(),
    };
    if !types.is_empty() && !types.iter().any(|name| is_of(value, name)) {
        return no(format!("is not of type {}", types.join(" or ")));
    }
    if rules.get("enum").and_then(Value::as_array).is_some_and(|values| !values.contains(value))
        || rules.get("const").is_some_and(|only| only != value)
    {
        return no("is none of the values that may stand there".into());
    }
    let limit = |name: &str| rules.get(name).and_then(Value::as_f64);
    if let Some(number) = value.as_f64()
        && (limit("minimum").is_some_and(|least| number < least) || limit("maximum").is_some_and(|most| number > most))
    {
        return no("is out of range".into());
    }
    if let Some(text) = value.as_str() {
        let count = text.chars().count() as f64;
        if limit("minLength").is_some_and(|least| count < least) || limit("maxLength").is_some_and(|most| count > most)
        {
            return no("is too short or too long".into());
        }
    }
    if let Some(items) = value.as_array() {
        let count = items.len() as f64;
        if limit("minItems").is_some_and(|least| count < least) || limit("maxItems").is_some_and(|most| count > most) {
            return no("has too few or too many items".into());
        }
        for (index, item) in items.iter().enumerate() {
            rules.get("items").map_or(Ok(()), |rule| at(item, rule, root, &format!("{place}[{index}]"), depth + 1))?;
        }
    }
    if let Some(fields) = value.as_object() {
        let required = rules.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for name in required {
            if !fields.contains_key(name) {
                return no(format!("lacks the field `{name}`"));
            }
        }
        let known = rules.get("properties").and_then(Value::as_object);
        for (name, field) in fields {
            match known.and_then(|known| known.get(name)) {
                Some(rule) => at(field, rule, root, &format!("{place}.{name}"), depth + 1)?,
                None if rules.get("additionalProperties") == Some(&Value::Bool(false)) => {
                    return no(format!("must not have the field `{name}`"));
                }
                None => {}
            }
        }
    }
    let each = |name: &str| rules.get(name).and_then(Value::as_array);
    each("allOf").into_iter().flatten().try_for_each(under)?;
    for name in ["anyOf", "oneOf"] {
        if each(name).is_some_and(|ways| !ways.iter().any(|way| under(way).is_ok())) {
            return no("has none of the forms that it may have".into());
        }
    }
    Ok(())
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_place_that_does_not_conform_is_named() {
        let schema = json!({
            "type": "object", "required": ["id"], "additionalProperties": false,
            "properties": {
                "id": {"type": "string", "minLength": 1}, "n": {"type": ["integer", "null"], "minimum": 0},
                "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
                "of": {"anyOf": [{"$ref": "#/$defs/x"}, {"type": "boolean"}]}
            },
            "$defs": {"x": {"const": 5}, "loop": {"$ref": "#/$defs/loop"}}
        });
        assert_eq!(conforms(&json!({"id": "7", "n": 1.0, "tags": ["a"], "of": 5}), &schema), Ok(()));
        for (bad, place) in [
            (json!([]), "$ is not of type object"),
            (json!({}), "lacks the field `id`"),
            (json!({"id": 7}), "$.id is not"),
            (json!({"id": ""}), "$.id is too short"),
            (json!({"id": "7", "n": -1}), "$.n is out"),
            (json!({"id": "7", "tags": ["a", "c"]}), "$.tags[1]"),
            (json!({"id": "7", "tags": ["a", "a", "a"]}), "$.tags has"),
            (json!({"id": "7", "of": 6}), "$.of has none"),
            (json!({"id": "7", "x": 1}), "must not have the field `x`"),
        ] {
            let error = conforms(&bad, &schema).unwrap_err();
            assert!(error.contains(place), "{bad}: {error}");
        }
        assert_eq!(
            conforms(&json!(1), &json!({"$ref": "#/$defs/loop", "$defs": {"loop": {"$ref": "#/$defs/loop"}}})),
            Ok(())
        );
        assert!(conforms(&json!(1), &json!(false)).is_err() && conforms(&json!(1), &json!(3)).is_ok());
    }
}
