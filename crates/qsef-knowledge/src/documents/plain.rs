//! Plain text and source code: blocks of lines.

use super::Block;
use crate::place::Place;

/// The paragraphs of a text: what blank lines part.
pub(super) fn paragraphs(text: &str) -> Vec<Block> {
    blocks(text, |_| true)
}

/// The items of source code: a block begins after a blank line with a line that is not indented. So a function stays in one
/// piece with what it says above of itself.
pub(super) fn code(text: &str) -> Vec<Block> {
    blocks(text, |line| !line.starts_with([' ', '\t', '}', ')', ']']))
}

fn blocks(text: &str, begins: impl Fn(&str) -> bool) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut after_blank = true;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            after_blank = true;
            continue;
        }
        match blocks.last_mut() {
            Some(block) if !(after_blank && begins(line)) => {
                block.text.push_str(if after_blank { "\n\n" } else { "\n" });
                block.text.push_str(line);
                block.place = block.place.to(Place::Lines(number, number));
            }
            _ => blocks.push(Block::text(line, Place::Lines(number, number))),
        }
        after_blank = false;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_and_paragraphs_stay_in_one_piece() {
        let source = "use a;\n\n/// Says it.\nfn f() {\n    g();\n\n    h();\n}\n\nfn k() {}\n";
        let places: Vec<Place> = code(source).iter().map(|b| b.place).collect();
        assert_eq!(places, [Place::Lines(1, 1), Place::Lines(3, 8), Place::Lines(10, 10)]);
        assert_eq!(paragraphs("a\nb\n\n  c\n").len(), 2);
        assert!(paragraphs(" \n\n").is_empty());
    }
}
