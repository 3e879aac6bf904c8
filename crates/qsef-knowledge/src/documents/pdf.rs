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

#[cfg(test)]
mod tests {
    use lopdf::{Stream, content::Operation, dictionary};

    use super::*;

    /// A file with a page for each text; a line of text is a line of the page.
    fn file(pages: &[&str]) -> Vec<u8> {
        let mut document = Document::with_version("1.5");
        let parent = document.new_object_id();
        let font = document.add_object(dictionary! {
            "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding",
        });
        let resources = document.add_object(dictionary! { "Font" => dictionary! { "F1" => font } });
        let kids: Vec<Object> = pages
            .iter()
            .map(|text| {
                let mut operations = vec![
                    Operation::new("BT", vec![]),
                    Operation::new("Tf", vec!["F1".into(), 12.into()]),
                    Operation::new("TL", vec![14.into()]),
                    Operation::new("Td", vec![72.into(), 700.into()]),
                ];
                for line in text.lines() {
                    let down = if line.is_empty() { -28 } else { -14 };
                    operations.push(Operation::new("Tj", vec![Object::string_literal(line)]));
                    operations.push(Operation::new("Td", vec![0.into(), down.into()]));
                }
                operations.push(Operation::new("ET", vec![]));
                let content = Content { operations }.encode().unwrap();
                let content = document.add_object(Stream::new(dictionary! {}, content));
                document.add_object(dictionary! { "Type" => "Page", "Parent" => parent, "Contents" => content }).into()
            })
            .collect();
        let count = kids.len() as i64;
        document.objects.insert(
            parent,
            Object::Dictionary(dictionary! {
                "Type" => "Pages", "Kids" => kids, "Count" => count, "Resources" => resources,
                "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
            }),
        );
        let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => parent });
        document.trailer.set("Root", catalog);
        document.compress();
        let mut bytes = Vec::new();
        document.save_to(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn paragraphs_have_their_pages() {
        let blocks =
            read(&file(&["First line of the in-\ntroduction.\n\nAnother paragraph.", "On page two."])).unwrap();
        let seen: Vec<(&str, Place)> = blocks.iter().map(|b| (b.text.as_str(), b.place)).collect();
        assert_eq!(
            seen,
            [
                ("First line of the introduction.", Place::Pages(1, 1)),
                ("Another paragraph.", Place::Pages(1, 1)),
                ("On page two.", Place::Pages(2, 2)),
            ]
        );
    }

    #[test]
    fn damaged_files_are_refused() {
        let whole = file(&["Some text."]);
        assert!(read(b"%PDF-1.5 and nothing more").unwrap_err().contains("damaged"));
        assert!(read(&file(&[""])).unwrap_err().contains("scan"));
        for cut in (0..whole.len()).step_by(7) {
            // Read in part or refused.
            let _ = read(whole.get(..cut).unwrap());
        }
        for at in (0..whole.len()).step_by(3) {
            let mut changed = whole.clone();
            changed[at] ^= 0x15;
            let _ = read(&changed);
        }
    }
}
