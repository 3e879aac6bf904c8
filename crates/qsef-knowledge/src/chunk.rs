//! Cutting documents into pieces along their structure.

use serde::{Deserialize, Serialize};

use crate::{documents::Parsed, place::Place};
use qsef_score::text::is_cjk;

/// The most that a piece holds. A letter counts 1, a Chinese character 4. On questions about this project (docs/benchmarks.md) more
/// made the vectors vague, and less tore apart what belongs together.
const MOST: usize = 700;

/// A piece of a document that can be found and cited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Where it stands.
    pub place: Place,
    /// The headings above it, outermost first, joined by " › "; the document's title where it has none.
    pub heading: String,
    /// Its text as the document has it.
    pub text: String,
}

impl Chunk {
    /// What an embedder is to read of it.
    pub fn to_embed(&self) -> String {
        format!("{}\n{}", self.heading, self.text)
    }
}

fn width(text: &str) -> usize {
    text.chars().map(|c| if is_cjk(c) { 4 } else { 1 }).sum()
}

/// The pieces of a document. A heading begins a piece; what is too long is cut at line ends, sentence ends or spaces.
pub(crate) fn chunks(document: &Parsed) -> Vec<Chunk> {
    let mut packer = Packer { chunks: Vec::new(), open: None, room: MOST };
    let mut headings: Vec<(u8, &str)> = Vec::new();
    let heading_of = |headings: &[(u8, &str)]| match headings {
        [] => document.title.clone(),
        headings => headings.iter().map(|(_, text)| *text).collect::<Vec<_>>().join(" › "),
    };
    let mut heading = heading_of(&headings);
    for block in &document.blocks {
        if let Some(level) = block.heading {
            packer.close();
            headings.retain(|(above, _)| *above < level);
            headings.push((level, &block.text));
            heading = heading_of(&headings);
            continue;
        }
        let size = width(&block.text);
        if size <= MOST {
            packer.put(&heading, &block.text, size, block.place);
            continue;
        }
        for (text, place) in cut(&block.text, block.place) {
            packer.put(&heading, text, width(text), place);
        }
    }
    packer.close();
    packer.chunks
}

struct Packer {
    chunks: Vec<Chunk>,
    open: Option<Chunk>,
    room: usize,
}

impl Packer {
    fn put(&mut self, heading: &str, text: &str, size: usize, place: Place) {
        match &mut self.open {
            Some(chunk) if size < self.room => {
                chunk.text.push_str("\n\n");
                chunk.text.push_str(text);
                chunk.place = chunk.place.to(place);
                self.room -= size;
            }
            _ => {
                self.close();
                self.open = Some(Chunk { place, heading: heading.to_owned(), text: text.to_owned() });
                self.room = MOST.saturating_sub(size);
            }
        }
    }

    fn close(&mut self) {
        self.chunks.extend(self.open.take().filter(|c| !c.text.trim().is_empty()));
    }
}

/// The parts of a block that is too long, each with its lines.
fn cut(mut text: &str, place: Place) -> Vec<(&str, Place)> {
    let (mut parts, mut line) = (Vec::new(), place.columns().0);
    while !text.is_empty() {
        let end = end_of_part(text);
        let (part, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let breaks = part.matches('\n').count() as u32;
        let inside = part.trim_end().matches('\n').count() as u32;
        let at = if let Place::Pages(..) = place { place } else { Place::Lines(line, line + inside) };
        if !part.trim().is_empty() {
            parts.push((part.trim_end(), at));
        }
        line += breaks;
        text = rest;
    }
    parts
}

/// Where the first part of a long text ends: the last good place before it is full.
fn end_of_part(text: &str) -> usize {
    let (mut size, mut full) = (0, text.len());
    let (mut line, mut sentence, mut space) = (None, None, None);
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        size += if is_cjk(c) { 4 } else { 1 };
        if size > MOST {
            full = at;
            break;
        }
        let after = at + c.len_utf8();
        match c {
            '\n' => line = Some(after),
            '。' | '！' | '？' | '；' => sentence = Some(after),
            c if c.is_whitespace() => {
                space = Some(after);
                if matches!(before, '.' | '!' | '?' | ';') {
                    sentence = Some(after);
                }
            }
            _ => {}
        }
        before = c;
    }
    if full == text.len() {
        return full;
    }
    // A good place in the first third would leave too little.
    let late = |at: &usize| *at * 3 > full;
    line.filter(late).or(sentence.filter(late)).or(space.filter(late)).unwrap_or(full).max(1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::documents::parse;

    fn of(name: &str, text: &str) -> Vec<Chunk> {
        chunks(&parse(Path::new(name), text.as_bytes()).unwrap())
    }

    #[test]
    fn headings_begin_pieces_and_stand_above_them() {
        let chunks = of("a.md", "intro\n\n# A\n\n## B\n\none\n\ntwo\n\n## C\n\nthree\n\n# D\n\nfour\n");
        let seen: Vec<_> = chunks.iter().map(|c| (c.heading.as_str(), c.text.as_str(), c.place.to_string())).collect();
        assert_eq!(
            seen,
            [
                ("A", "intro", ":1".to_owned()),
                ("A › B", "one\n\ntwo", ":7-9".to_owned()),
                ("A › C", "three", ":13".to_owned()),
                ("D", "four", ":17".to_owned()),
            ]
        );
    }

    #[test]
    fn nothing_of_a_long_text_is_lost() {
        let words: String = (0..600).map(|i| format!("word{i}{} ", if i % 11 == 10 { ".\n" } else { "" })).collect();
        let chinese = "知识图谱描述概念之间的关系。".repeat(200);
        let solid = "x".repeat(5000);
        for text in [&words, &chinese, &solid] {
            let chunks = of("a.txt", text);
            assert!(chunks.len() > 2);
            assert!(chunks.iter().all(|c| width(&c.text) <= MOST));
            let squeeze = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            assert_eq!(chunks.iter().map(|c| squeeze(&c.text)).collect::<String>(), squeeze(text));
        }
        let last = of("a.txt", &words).last().unwrap().place.columns().1;
        assert_eq!(last as usize, words.lines().count());
    }
}
