use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use qsef_core::{Format, Payload};

use super::text_of;
use crate::translate::graph::Made;

/// A fenced block of code.
pub(crate) struct Block {
    /// In lower case; empty where the fence names none.
    pub(crate) language: String,
    pub(crate) code: String,
    /// Where its fences stand in the text.
    range: Range<usize>,
}

/// The fenced blocks of a Markdown text; one that is not closed ends with the text.
pub(crate) fn of(text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    if !text.contains("```") && !text.contains("~~~") {
        return found;
    }
    // Where the last line of the open block ends.
    let mut open: Option<usize> = None;
    for (event, range) in Parser::new(text).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let language = info.split_whitespace().next().unwrap_or_default().to_lowercase();
                found.push(Block { language, code: String::new(), range });
                open = Some(0);
            }
            Event::Text(line) => {
                if let (Some(end), Some(block)) = (&mut open, found.last_mut()) {
                    block.code.push_str(&line);
                    *end = range.end;
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                if let (Some(end), Some(block)) = (open.take(), found.last_mut()) {
                    block.code = as_written(text, block.range.start, end, &block.code);
                }
            }
            _ => {}
        }
    }
    found
}

/// The lines of a block that begins and ends at these places, without the line break before its closing fence. The parser drops
/// carriage returns; the text has them.
fn as_written(text: &str, begin: usize, end: usize, parsed: &str) -> String {
    let (fence, code) = text.get(begin..end).and_then(|block| block.split_once('\n')).unwrap_or_default();
    let code = if code.replace('\r', "") == parsed { code } else { parsed };
    let code = code.strip_suffix('\n').unwrap_or(code);
    let code = if fence.ends_with('\r') { code.strip_suffix('\r').unwrap_or(code) } else { code };
    code.to_owned()
}

/// Whether code in one language will do where the other is wanted; a language that is not named is any.
pub(crate) fn same_language(a: &str, b: &str) -> bool {
    let name = |language: &str| match language.to_lowercase().as_str() {
        "py" | "python3" => "python".to_owned(),
        "js" | "node" => "javascript".to_owned(),
        "ts" => "typescript".to_owned(),
        "rs" => "rust".to_owned(),
        "sh" | "shell" | "zsh" => "bash".to_owned(),
        "golang" => "go".to_owned(),
        "c++" | "cc" => "cpp".to_owned(),
        "c#" | "cs" => "csharp".to_owned(),
        "yml" => "yaml".to_owned(),
        other => other.to_owned(),
    };
    a.is_empty() || b.is_empty() || name(a) == name(b)
}

/// Code in a fence that it cannot close.
pub(super) fn fence(payload: &Payload, _: &Format) -> Result<Made, String> {
    let code = text_of(payload)?;
    let Format::Code(language) = &payload.format else { return Err("it is not code".into()) };
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let language = if regex!(r"^[\w+#.-]*$").is_match(language) { language.as_str() } else { "" };
    Ok(Payload::string(format!("{fence}{language}\n{code}\n{fence}"), Format::Fenced).into())
}

pub(super) fn unfence(payload: &Payload, wanted: &Format) -> Result<Made, String> {
    let blocks = of(text_of(payload)?);
    let [block] = blocks.as_slice() else { return Err("it is not one fenced block".into()) };
    if let Format::Code(language) = wanted
        && !same_language(language, &block.language)
    {
        return Err(format!("the code is in {}, not in {language}", block.language));
    }
    Ok(Payload::string(block.code.clone(), Format::Code(block.language.clone())).into())
}

/// Whether a text is one fenced block and nothing else.
pub(crate) fn is_one(text: &str) -> bool {
    let text = text.trim();
    matches!(of(text).as_slice(), [block] if block.range == (0..text.len()))
}

pub(super) fn whole(payload: &Payload, _: &Format) -> Result<Made, String> {
    let text = text_of(payload)?;
    let fenced = || Payload::string(text.trim(), Format::Fenced).into();
    is_one(text).then(fenced).ok_or_else(|| "it is not one fenced block".to_owned())
}

/// The one block of code that stands in a text.
pub(super) fn in_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    let text = text_of(payload)?;
    let blocks = of(text);
    match blocks.as_slice() {
        [block] => {
            let fenced = text.get(block.range.clone()).unwrap_or_default();
            Ok(Payload::string(fenced.trim_end(), Format::Fenced).into())
        }
        [] => Err("there is no code in it".into()),
        _ => Err("there are several blocks of code in it".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_goes_through_a_fence_unchanged() {
        for code in ["print(1)", "", "a\n", "x = \"```\"\n\n  y", "\n", "# `tick`\n````\n", "a\r\n\tb"] {
            let payload = Payload::string(code, Format::Code("python".into()));
            let fenced = fence(&payload, &Format::Fenced).unwrap().payload;
            assert!(is_one(fenced.value.as_str().unwrap()), "{code:?}");
            assert_eq!(unfence(&fenced, &Format::Code("py".into())).unwrap().payload, payload, "{code:?}");
            assert!(unfence(&fenced, &Format::Code("rust".into())).is_err());
        }
    }

    #[test]
    fn the_only_block_of_a_text_is_found() {
        let find = |text: &str| in_text(&Payload::text(text), &Format::Fenced).map(|m| m.payload.to_text());
        assert_eq!(find("Use it:\n```rust\nfn f() {}\n```\nGood."), Ok("```rust\nfn f() {}\n```".into()));
        assert!(find("```\na\n```\n```\nb\n```").unwrap_err().contains("several"));
        assert!(find("`a`").is_err());
        assert!(!is_one("a\n```\nb\n```"));
    }
}
