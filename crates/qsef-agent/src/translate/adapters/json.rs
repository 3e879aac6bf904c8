use qsef_core::{Format, Payload};
use serde::de::IgnoredAny;
use serde_json::{Number, Value};

use super::{blocks, text_of, yaml};
use crate::translate::graph::Made;

/// Reads JSON so that every number stays as it is written: one that would be respelt or rounded, such as 1.50 or one of 30
/// digits, becomes a string. Keys that occur twice in one object are refused, because one of them would be lost.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let mut keys = 0;
    let mut kept = String::new();
    let mut copied = 0;
    for found in regex!(r#"(?s)"(?:[^"\\]|\\.)*"(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"#).captures_iter(text) {
        keys += usize::from(found.get(1).is_some());
        let Some(token) = found.get(0) else { continue };
        if !token.as_str().starts_with('"') && !is_exact(token.as_str()) {
            kept.push_str(text.get(copied..token.start()).unwrap_or_default());
            kept.push_str(&format!("\"{}\"", token.as_str()));
            copied = token.end();
        }
    }
    kept.push_str(text.get(copied..).unwrap_or_default());
    let value: Value = serde_json::from_str(&kept).map_err(|e| format!("it is not JSON: {e}"))?;
    if keys_of(&value) != keys {
        return Err("an object in it has the same key twice".into());
    }
    Ok(value)
}

/// Whether a JSON document's number is read in this spelling.
fn is_exact(literal: &str) -> bool {
    literal.parse::<Number>().is_ok_and(|number| number.to_string() == literal)
}

/// The number that is written like this, if there is one. The standard library reads floats exactly; serde_json, as it is built
/// here, may be off in the last digit.
pub(crate) fn number(literal: &str) -> Option<Number> {
    let number = literal
        .parse::<Number>()
        .ok()
        .filter(Number::is_f64)
        .map_or_else(|| literal.parse::<Number>().ok(), |_| Number::from_f64(literal.parse().ok()?));
    number.filter(|number| number.to_string() == literal)
}

fn keys_of(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.len() + fields.values().map(keys_of).sum::<usize>(),
        Value::Array(items) => items.iter().map(keys_of).sum(),
        _ => 0,
    }
}

/// A structure or a value as text: a string bare, anything else as JSON.
pub(super) fn to_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    let text = match &payload.value {
        Value::String(text) => text.clone(),
        other => format!("{other:#}"),
    };
    Ok(Payload::text(text).into())
}

/// A text that is JSON. A bare word or number is prose, not a document.
pub(super) fn from_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    let text = text_of(payload)?.trim();
    if !text.starts_with(['{', '[', '"']) {
        return Err("it does not begin as JSON does".into());
    }
    Ok(Payload::json(parse(text)?).into())
}

/// How many places of a text are tried: each costs as much as the text is long.
const MAX_TRIES: usize = 64;

/// The one JSON structure that stands in a text: in a fence of JSON or YAML, or bare.
pub(super) fn in_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    let text = text_of(payload)?;
    let fenced: Vec<_> =
        blocks::of(text).into_iter().filter(|b| ["json", "yaml", "yml"].contains(&&*b.language)).collect();
    match fenced.as_slice() {
        [one] if one.language == "json" => return Ok(Payload::json(parse(&one.code)?).into()),
        [one] => return Ok(Payload::json(yaml::parse(&one.code)?).into()),
        [] => {}
        _ => return Err("there are several JSON documents in it".into()),
    }
    let mut found = None;
    let (mut at, mut tries) = (0, 0);
    while let Some((start, rest)) =
        text.get(at..).and_then(|t| t.find(['{', '['])).and_then(|i| Some((at + i, text.get(at + i..)?)))
    {
        let mut documents = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        let ends = matches!(documents.next(), Some(Ok(_))).then(|| documents.byte_offset());
        let document = ends.and_then(|end| rest.get(..end)).filter(|document| is_structure(document));
        at = start + document.map_or(1, str::len);
        if let Some(document) = document
            && found.replace(document).is_some()
        {
            return Err("there are several JSON documents in it".into());
        }
        tries += 1;
        if tries == MAX_TRIES {
            break;
        }
    }
    let found = found.ok_or("there is no JSON in it")?;
    Ok(Payload::json(parse(found)?).into())
}

/// Not a mark such as `[1]` in prose.
fn is_structure(document: &str) -> bool {
    document.len() > 2 && (document.starts_with('{') || document.contains([',', '{']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_stay_as_written() {
        let text =
            r#"{"a": 1.50, "b": 123456789012345678901234567890, "c": 5, "d": -0.5, "e": "1.50: 7", "f\": 1": 1e400}"#;
        let value = parse(text).unwrap();
        let expected = json!({
            "a": "1.50", "b": "123456789012345678901234567890", "c": 5, "d": -0.5, "e": "1.50: 7", "f\": 1": "1e400"
        });
        assert_eq!(value, expected);
        assert!(parse(r#"{"a":1,"a":2}"#).unwrap_err().contains("twice"));
        assert!(parse("{\"a\":").is_err());
    }

    #[test]
    fn a_document_is_found_in_prose() {
        let found = |text: &str| in_text(&Payload::text(text), &Format::Json).map(|m| m.payload.value);
        assert_eq!(found("As [1] says: {\"a\": [1, 2]} and so on."), Ok(json!({"a": [1, 2]})));
        assert_eq!(found("Here:\n```json\n[\"x\"]\n```\nDone."), Ok(json!(["x"])));
        assert_eq!(found("Here:\n```yaml\na: 1.50\n```"), Ok(json!({"a": "1.50"})));
        assert!(found("{\"a\":1} or {\"a\":2}").unwrap_err().contains("several"));
        assert!(found("[1] {broken").is_err());
        assert!(found(&"[".repeat(100_000)).is_err());
    }
}
