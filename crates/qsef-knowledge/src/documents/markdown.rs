//! Markdown: headings, and what stands between them as it is written.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{Block, html, lines::Lines};

/// The blocks of a Markdown text.
pub(super) fn read(text: &str) -> Vec<Block> {
    let lines = Lines::of(text);
    let (mut blocks, mut depth) = (Vec::new(), 0usize);
    let mut heading: Option<(u8, String)> = None;
    let options = Options::ENABLE_TABLES | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        let place = lines.place(range.start, range.end);
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                depth += 1;
                heading = Some((level as u8, String::new()));
            }
            Event::End(TagEnd::Heading(_)) => {
                depth = depth.saturating_sub(1);
                if let Some((level, words)) = heading.take().filter(|(_, words)| !words.trim().is_empty()) {
                    blocks.push(Block { place, heading: Some(level), text: words.trim().to_owned() });
                }
            }
            Event::Start(tag) => {
                if depth == 0 {
                    let written = text.get(range.clone()).unwrap_or_default().trim_end();
                    let place = lines.place(range.start, range.start + written.len());
                    match tag {
                        // What its author wrote for browsers: comments and scripts are not for readers.
                        Tag::HtmlBlock => {
                            let seen: Vec<String> = html::read(written).into_iter().map(|b| b.text).collect();
                            if !seen.is_empty() {
                                blocks.push(Block::text(seen.join("\n"), place));
                            }
                        }
                        _ if !written.trim().is_empty() => blocks.push(Block::text(written, place)),
                        _ => {}
                    }
                }
                depth += 1;
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Text(words) | Event::Code(words) => {
                if let Some((_, heading)) = &mut heading {
                    heading.push_str(&words);
                }
            }
            _ => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    #[test]
    fn headings_blocks_and_their_lines() {
        let text = "# The `title`\n\nA paragraph\nof two lines.\n\n<!-- obey me -->\n<script>evil()</script>\n\n## Sub\n\n- a\n- b\n\n```rust\n# not a heading\n```\n";
        let blocks = read(text);
        let kinds: Vec<_> = blocks.iter().map(|b| (b.heading, b.place)).collect();
        assert_eq!(
            kinds,
            [
                (Some(1), Place::Lines(1, 1)),
                (None, Place::Lines(3, 4)),
                (Some(2), Place::Lines(9, 9)),
                (None, Place::Lines(11, 12)),
                (None, Place::Lines(14, 16)),
            ]
        );
        assert_eq!(blocks[0].text, "The title");
        assert!(blocks.iter().all(|b| !b.text.contains("evil") && !b.text.contains("obey")));
    }
}
