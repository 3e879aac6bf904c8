//! The text of PDF files, page by page.

use std::{collections::BTreeMap, panic::AssertUnwindSafe};

use lopdf::{Document, Encoding, Object, ObjectId, content::Content};

use super::Block;
use crate::place::Place;

/// Moving the pen back by more than this, in thousandths of the font's size, is a space between words.
const SPACE: f32 = -180.0;

/// The most text of a page, in bytes: what has more is no page that somebody reads.
const MOST: usize = 1 << 20;

/// The paragraphs of a PDF file.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Block>, String> {
    // Files that break the standard can break the parser as well.
    std::panic::catch_unwind(AssertUnwindSafe(|| pages(bytes)))
        .unwrap_or_else(|_| Err("the PDF file is damaged".into()))
}

fn pages(bytes: &[u8]) -> Result<Vec<Block>, String> {
    let document = Document::load_mem(bytes).map_err(|e| format!("the PDF file is damaged: {e}"))?;
    if document.is_encrypted() {
        return Err("the PDF file is encrypted".into());
    }
    let mut blocks = Vec::new();
    for (number, id) in document.get_pages() {
        // One page that cannot be read does not take the others with it.
        let text = page(&document, id).unwrap_or_default();
        for paragraph in text.split("\n\n").map(str::trim).filter(|p| !p.is_empty()) {
            blocks.push(Block::text(paragraph, Place::Pages(number, number)));
        }
    }
    if blocks.is_empty() { Err("the PDF file has no text; it may be a scan".into()) } else { Ok(blocks) }
}

fn page(document: &Document, id: ObjectId) -> lopdf::Result<String> {
    let fonts = document.get_page_fonts(id)?;
    let encodings: BTreeMap<Vec<u8>, Encoding<'_>> =
        fonts.into_iter().filter_map(|(name, font)| Some((name, font.get_font_encoding(document).ok()?))).collect();
    let content = Content::decode(&document.get_page_content(id)?)?;
    let (mut text, mut encoding, mut line) = (String::new(), None, 0f32);
    for operation in &content.operations {
        let operands = &operation.operands;
        let number = |at: usize| operands.get(at).and_then(|o| o.as_float().ok());
        match operation.operator.as_str() {
            "Tf" => encoding = operands.first().and_then(|o| o.as_name().ok()).and_then(|name| encodings.get(name)),
            "Tj" | "TJ" | "'" | "\"" => {
                if matches!(operation.operator.as_str(), "'" | "\"") {
                    break_line(&mut text, 1.0);
                }
                if let Some(encoding) = encoding {
                    operands.iter().for_each(|operand| show(&mut text, encoding, operand));
                }
            }
            "Td" | "TD" => match number(1) {
                Some(down) if down.abs() > 0.1 => break_line(&mut text, down.abs() / line.max(1.0)),
                _ => space(&mut text),
            },
            "TL" => line = number(0).map_or(line, f32::abs),
            "T*" | "Tm" | "ET" => break_line(&mut text, 1.0),
            _ => {}
        }
        if text.len() > MOST {
            break;
        }
    }
    Ok(joined(&text))
}

/// Ends a line; a move of several lines ends a paragraph.
fn break_line(text: &mut String, lines: f32) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if lines > 1.6 && lines < 10.0 && text.ends_with('\n') && !text.ends_with("\n\n") {
        text.push('\n');
    }
}

fn space(text: &mut String) {
    if !text.is_empty() && !text.ends_with(char::is_whitespace) {
        text.push(' ');
    }
}

fn show(text: &mut String, encoding: &Encoding<'_>, operand: &Object) {
    match operand {
        Object::String(bytes, _) => text.push_str(&Document::decode_text(encoding, bytes).unwrap_or_default()),
        Object::Array(parts) => {
            for part in parts {
                match part.as_float() {
                    Ok(back) if back < SPACE => space(text),
                    Ok(_) => {}
                    Err(_) => show(text, encoding, part),
                }
            }
        }
        _ => {}
    }
}

/// The text with words that a line's end cuts in two made whole.
fn joined(text: &str) -> String {
    regex!(r"(\p{Ll})-\n(\p{Ll})").replace_all(text, "$1$2").into_owned()
}
