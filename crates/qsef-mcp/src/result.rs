//! What a tool gives, as a payload.

use qsef_core::{Format, Payload};
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::Value;

use crate::lines::cut;

/// The most bytes of text that an output may have.
const MAX_OUTPUT: usize = 1 << 20;

/// The most characters of an error's text.
const MAX_ERROR: usize = 1_000;

/// The output, and what is left out of it, in words. A structure comes before the text that tells the same; a text that is JSON
/// counts as a structure; an image or a sound is the output where there is no text.
///
/// # Errors
/// What the tool says went wrong, or that it is too much.
pub(crate) fn payload(result: CallToolResult) -> Result<(Payload, Option<String>), String> {
    let (mut texts, mut media) = (Vec::new(), Vec::new());
    for block in result.content {
        match block {
            ContentBlock::Text(text) => texts.push(text.text),
            ContentBlock::Image(image) => media.push(Payload::media(Format::Image, image.mime_type, image.data)),
            ContentBlock::Audio(audio) => media.push(Payload::media(Format::Audio, audio.mime_type, audio.data)),
            ContentBlock::ResourceLink(link) => texts.push(format!("{} ({})", link.uri, link.name)),
            ContentBlock::Resource(resource) => match resource.resource {
                ResourceContents::TextResourceContents { text, .. } => texts.push(text),
                ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
                    let mime = mime_type.unwrap_or_default();
                    match mime.split('/').next() {
                        Some("image") => media.push(Payload::media(Format::Image, mime, blob)),
                        Some("audio") => media.push(Payload::media(Format::Audio, mime, blob)),
                        _ => texts.push(format!("{uri} ({mime}, {} bytes)", blob.len() / 4 * 3)),
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
    let text = texts.join("\n");
    if result.is_error == Some(true) {
        let told = cut(text.trim(), MAX_ERROR);
        return Err(if told.is_empty() { "it failed and does not say why".into() } else { told });
    }
    let structure = result.structured_content.filter(|value| !value.is_null()).map(unwrapped);
    let size = structure.as_ref().map_or(text.len(), |value| value.to_string().len());
    if size > MAX_OUTPUT {
        return Err(format!("its result has {} KiB; the most that is taken is {}", size >> 10, MAX_OUTPUT >> 10));
    }
    let output = match structure {
        Some(Value::String(text)) => Some(Payload::text(text)),
        Some(value) => Some(Payload::json(value)),
        None if !text.trim().is_empty() => Some(read(text)),
        None => None,
    };
    let extra = match (&output, media.len()) {
        (_, 0) | (None, 1) => None,
        (output, n) => {
            let left = n - usize::from(output.is_none());
            Some(format!("{left} of the images or sounds of its result are left out: an output is of one kind"))
        }
    };
    let output = output.or_else(|| media.into_iter().next());
    // Many tools that change something answer with nothing.
    Ok((output.unwrap_or_else(|| Payload::text("done")), extra))
}

/// Servers wrap values that are no objects into `{"result": …}`.
fn unwrapped(value: Value) -> Value {
    match value {
        Value::Object(mut fields) if fields.len() == 1 => fields.remove("result").unwrap_or(Value::Object(fields)),
        other => other,
    }
}

fn read(text: String) -> Payload {
    match serde_json::from_str::<Value>(&text) {
        Ok(value) if value.is_object() || value.is_array() => Payload::json(value),
        _ => Payload::text(text),
    }
}

#[cfg(test)]
mod tests {
    use qsef_core::Modality;
    use serde_json::json;

    use super::*;

    fn of(value: Value) -> Result<(Payload, Option<String>), String> {
        payload(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn results_become_payloads() {
        let text = |text: &str| json!({"type": "text", "text": text});
        let image = json!({"type": "image", "mimeType": "image/png", "data": "AAAA"});
        for (result, expected) in [
            (json!({"content": [text("a"), text("b")]}), Payload::text("a\nb")),
            (json!({"content": [text("{\"a\": 1}")]}), Payload::json(json!({"a": 1}))),
            (json!({"content": [text("3")]}), Payload::text("3")),
            (json!({"content": [text("3")], "structuredContent": {"n": 3}}), Payload::json(json!({"n": 3}))),
            (json!({"content": [text("x")], "structuredContent": {"result": "x"}}), Payload::text("x")),
            (json!({"content": [], "structuredContent": {"result": [1]}}), Payload::json(json!([1]))),
            (json!({"content": []}), Payload::text("done")),
            (
                json!({"content": [{"type": "resource", "resource": {"uri": "f:a", "mimeType": "text/plain", "text": "t"}}]}),
                Payload::text("t"),
            ),
        ] {
            assert_eq!(of(result.clone()).unwrap(), (expected, None), "{result}");
        }
        let (output, left) = of(json!({"content": [image]})).unwrap();
        assert!(output.modality == Modality::Image && output.value["mime"] == "image/png" && left.is_none());
        let (output, left) = of(json!({"content": [text("see"), image]})).unwrap();
        assert_eq!(output, Payload::text("see"));
        assert!(left.unwrap().starts_with("1 of"));
        let blob = json!({"type": "resource", "resource": {"uri": "f:b", "mimeType": "audio/wav", "blob": "AAAA"}});
        assert_eq!(of(json!({"content": [blob]})).unwrap().0.modality, Modality::Audio);
    }

    #[test]
    fn errors_are_the_tools_words_and_too_much_is_one() {
        let failed = |text: &str| json!({"content": [{"type": "text", "text": text}], "isError": true});
        assert_eq!(of(failed("no such \u{7}file")).unwrap_err(), "no such file");
        assert!(of(failed("")).unwrap_err().contains("does not say"));
        assert_eq!(of(failed(&"x".repeat(9_000))).unwrap_err().len(), MAX_ERROR);
        let much = json!({"content": [{"type": "text", "text": "x".repeat(2 << 20)}]});
        assert_eq!(of(much).unwrap_err(), "its result has 2048 KiB; the most that is taken is 1024");
    }
}
