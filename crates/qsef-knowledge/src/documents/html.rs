//! HTML: what a reader sees of it. Nothing is run, and nothing is fetched.

use html5gum::{DefaultEmitter, Token, Tokenizer};

use super::{Block, lines::Lines};

/// What a reader does not see, or what is no text.
const HIDDEN: &[&[u8]] =
    &[b"script", b"style", b"noscript", b"template", b"svg", b"math", b"iframe", b"object", b"select"];

/// Elements that begin and end no line.
const INLINE: &[&[u8]] = &[
    b"a", b"abbr", b"b", b"bdi", b"bdo", b"cite", b"code", b"data", b"del", b"dfn", b"em", b"font", b"i", b"ins",
    b"kbd", b"mark", b"q", b"ruby", b"s", b"samp", b"small", b"span", b"strong", b"sub", b"sup", b"time", b"tt", b"u",
    b"var", b"wbr", b"img", b"label", b"button",
];

/// Elements whose spaces and line breaks count.
const KEPT: &[&[u8]] = &[b"pre", b"textarea"];

#[derive(Default)]
struct Seen {
    blocks: Vec<Block>,
    text: String,
    /// Offsets of the text's beginning and end.
    from: Option<usize>,
    to: usize,
    heading: Option<u8>,
    kept: usize,
}

impl Seen {
    fn push(&mut self, text: &str, start: usize, end: usize) {
        if self.kept > 0 {
            self.text.push_str(text);
        } else {
            for word in text.split_inclusive(char::is_whitespace) {
                let (bare, spaced) = (word.trim_end(), word.len() != word.trim_end().len());
                self.text.push_str(bare);
                if spaced && !self.text.ends_with(char::is_whitespace) && !self.text.is_empty() {
                    self.text.push(' ');
                }
            }
        }
        if !text.trim().is_empty() {
            self.from.get_or_insert(start);
            self.to = end;
        }
    }

    /// Ends a block.
    fn end(&mut self, lines: &Lines) {
        let text = std::mem::take(&mut self.text);
        let Some(from) = self.from.take() else { return };
        let place = lines.place(from, self.to);
        self.blocks.push(Block { place, heading: self.heading, text: text.trim().to_owned() });
    }
}

/// The blocks of an HTML text.
pub(super) fn read(text: &str) -> Vec<Block> {
    let lines = Lines::of(text);
    let mut emitter = DefaultEmitter::<usize>::new_with_span();
    emitter.naively_switch_states(true);
    let mut seen = Seen::default();
    // The elements that hide what is in them; a title counts as the first heading.
    let mut hidden: Vec<Vec<u8>> = Vec::new();
    for Ok(token) in Tokenizer::new_with_emitter(text, emitter) {
        match token {
            Token::StartTag(tag) => {
                let name: &[u8] = &tag.name;
                if !tag.self_closing && HIDDEN.contains(&name) {
                    hidden.push(name.to_vec());
                } else if hidden.is_empty() && !INLINE.contains(&name) {
                    seen.end(&lines);
                    seen.heading = level(name);
                    seen.kept += usize::from(KEPT.contains(&name));
                }
            }
            Token::EndTag(tag) => {
                let name: &[u8] = &tag.name;
                if let Some(at) = hidden.iter().rposition(|h| h == name) {
                    hidden.truncate(at);
                } else if hidden.is_empty() && !INLINE.contains(&name) {
                    seen.end(&lines);
                    seen.heading = None;
                    seen.kept = seen.kept.saturating_sub(usize::from(KEPT.contains(&name)));
                }
            }
            Token::String(words) if hidden.is_empty() => {
                seen.push(&String::from_utf8_lossy(&words), words.span.start, words.span.end);
            }
            _ => {}
        }
    }
    seen.end(&lines);
    seen.blocks
}

/// The level of a heading; the title is above all.
fn level(name: &[u8]) -> Option<u8> {
    match name {
        b"title" => Some(1),
        [b'h', digit @ b'1'..=b'6'] => Some(digit - b'0'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    #[test]
    fn only_what_a_reader_sees_is_text() {
        let page = "<!doctype html><html><head><title>Page</title>\n<style>p { color: red }</style>\n<script>if (a < b) alert('<p>x</p>')</script></head>\n<body><h2>Part &amp; parcel</h2><p onclick=\"steal()\">Some <b>bold</b>\n text.</p>\n<!-- hidden --><pre>a\n  b</pre><ul><li>one<li>two</ul></body></html>";
        let blocks = read(page);
        let texts: Vec<&str> = blocks.iter().map(|b| b.text.as_str()).collect();
        assert_eq!(texts, ["Page", "Part & parcel", "Some bold text.", "a\n  b", "one", "two"]);
        assert_eq!((blocks[0].heading, blocks[1].heading, blocks[2].heading), (Some(1), Some(2), None));
        assert_eq!((blocks[1].place, blocks[2].place), (Place::Lines(4, 4), Place::Lines(4, 5)));
    }

    #[test]
    fn broken_pages_are_read_as_far_as_they_go() {
        assert_eq!(read("<p>a<div <b>c</script>d")[0].text, "a");
        assert!(read("<script>never closed <p>text").is_empty());
        assert!(read("").is_empty());
    }
}
