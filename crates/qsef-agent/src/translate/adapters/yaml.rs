use qsef_core::{Format, Payload};
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

use super::{json, text_of};
use crate::translate::graph::Made;

/// How deep structures may be; serde_json's limit.
const MAX_DEPTH: usize = 128;

/// A structure whose end has not been read, with the key that waits for its value.
enum Open {
    List(Vec<Value>),
    Fields(Map<String, Value>, Option<String>),
}

/// Reads one YAML document. Plain scalars that JSON has too become its values, anything else stays a string as it is written
/// (`007`, `1.50`, `2024-05-03`). Refused is what has no counterpart in JSON, or could grow without bound: anchors, tags,
/// keys that are not scalars or occur twice.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let (mut open, mut document): (Vec<Open>, Option<Value>) = (Vec::new(), None);
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|e| format!("it is not YAML: {e}"))?;
        let done = match event {
            Event::Alias(_) => return Err("it has YAML anchors".into()),
            Event::SequenceStart(_, None) => {
                open.push(Open::List(Vec::new()));
                None
            }
            Event::MappingStart(_, None) => {
                open.push(Open::Fields(Map::new(), None));
                None
            }
            Event::Scalar(text, style, _, None) => Some((scalar(&text, style), Some(text))),
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(items)) => Some((Value::Array(items), None)),
                Some(Open::Fields(fields, _)) => Some((Value::Object(fields), None)),
                None => None,
            },
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                return Err("it has YAML tags".into());
            }
            _ => None,
        };
        if open.len() > MAX_DEPTH {
            return Err("it is nested too deep".into());
        }
        let Some((value, as_key)) = done else { continue };
        match open.last_mut() {
            None if document.is_some() => return Err("it has several YAML documents".into()),
            None => document = Some(value),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Fields(fields, key)) => match key.take() {
                None => *key = Some(as_key.ok_or("it has keys that are structures")?.into_owned()),
                Some(name) => {
                    if fields.insert(name, value).is_some() {
                        return Err("a mapping in it has the same key twice".into());
                    }
                }
            },
        }
    }
    Ok(document.unwrap_or_default())
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match text {
        _ if style != ScalarStyle::Plain => Value::String(text.to_owned()),
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        other => json::number(other).map_or_else(|| Value::String(other.to_owned()), Value::Number),
    }
}

/// Writes YAML in block style; strings are plain only where no reader could take them for something else.
pub(crate) fn write(value: &Value) -> Result<String, String> {
    let mut text = String::new();
    put(value, 0, &mut text)?;
    Ok(text.trim_start().to_owned() + "\n")
}

/// Appends a value that follows `key:` or `-` at an indent.
fn put(value: &Value, indent: usize, out: &mut String) -> Result<(), String> {
    let line = |out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent));
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                line(out);
                let key = quoted(key);
                // YAML's limit for a key on its line.
                if key.chars().count() > 1000 {
                    return Err("a key is too long for YAML".into());
                }
                out.push_str(&key);
                out.push(':');
                put(value, indent + 2, out)?;
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                line(out);
                out.push('-');
                put(item, indent + 2, out)?;
            }
        }
        Value::String(text) => out.push_str(&format!(" {}", quoted(text))),
        other => out.push_str(&format!(" {other}")),
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    let plain = regex!(r"^[\p{L}_](?:[\p{L}\p{N} _./()-]*[\p{L}\p{N}_)])?$").is_match(text);
    // The words that YAML 1.1 or 1.2 reads as something else.
    let reserved = regex!(r"(?i)^(?:null|true|false|yes|no|on|off|y|n)$").is_match(text);
    if plain && !reserved {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in Value::String(text.to_owned()).to_string().chars() {
        match c {
            // JSON leaves these as they are; YAML takes some for line breaks and refuses others.
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out
}

pub(super) fn from_json(payload: &Payload, _: &Format) -> Result<Made, String> {
    Ok(Payload::string(write(&payload.value)?, Format::Yaml).into())
}

pub(super) fn to_json(payload: &Payload, _: &Format) -> Result<Made, String> {
    Ok(Payload::json(parse(text_of(payload)?)?).into())
}

/// A text that is YAML and hardly anything else: every line of it begins as a key, an item or a comment does, or is indented.
pub(super) fn from_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    let text = text_of(payload)?;
    let shaped = regex!(r#"^(?:---|[\w"'][\w .\-/"']{0,60}:(?:\s|$)|-\s|#|\s+\S|\s*$)"#);
    let keys = text.lines().filter(|line| regex!(r"^[^\s#-][^:]*:").is_match(line)).count();
    if keys < 2 || !text.lines().all(|line| shaped.is_match(line)) {
        return Err("it does not look like YAML".into());
    }
    Ok(Payload::json(parse(text)?).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_stay_as_written() {
        let value = parse(
            "id: 007\nprice: 1.50\nn: -3\nbig: 12345678901234567890123\nok: yes\nwhen: 2024-05-03\nq: \"5\"\nz: ~",
        )
        .unwrap();
        let expected = json!({
            "id": "007", "price": "1.50", "n": -3, "big": "12345678901234567890123", "ok": "yes", "when": "2024-05-03",
            "q": "5", "z": null
        });
        assert_eq!(value, expected);
        for bad in ["a: &x 1\nb: *x", "!!set {a}", "a: 1\na: 2", "? [a]\n: b", "--- a\n--- b", "a: [", "\u{0}"] {
            assert!(parse(bad).is_err(), "{bad:?} {:?}", parse(bad));
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"- ".repeat(50_000)).is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let value = json!({
            "名": "北京", "no": "no", "n": "12", "x": {"y": [], "z": {}, "l": [[1, "a: b"], {"k": "# c"}]}, "e": "",
            "s": " a ", "m": "l1\nl2\t\u{7f}\u{2028}\u{0}", "- a": null, "q": "\"'\\", "f": 1.5, "t": true
        });
        assert_eq!(parse(&write(&value).unwrap()), Ok(value));
        assert_eq!(write(&json!({"a": [1, "b c"]})).unwrap(), "a:\n  - 1\n  - b c\n");
        assert_eq!(parse(&write(&json!("x")).unwrap()), Ok(json!("x")));
    }

    #[test]
    fn prose_is_not_yaml() {
        let read = |text: &str| from_text(&Payload::text(text), &Format::Json).is_ok();
        assert!(read("name: Ann\nage: 5\ntags:\n  - a\n"));
        assert!(
            !read("Note: it rains.")
                && !read("Dear Ann: hello\nI write to say: no.\nBye")
                && !read("")
                && !read("word")
        );
    }
}
