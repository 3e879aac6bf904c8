//! Texts in sentences, and back again: tiers are written sentence by sentence, so that each can be compared with what it stands for.

use qsef_score::text::is_cjk;

/// A sentence, or something that is not prose and is kept as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The text without the white space around it.
    pub text: String,
    /// What stands between it and the next: a space, nothing in Chinese, line feeds at the end of a paragraph.
    pub joint: String,
    /// Whether it is prose, which can be reworded; code, tables and headings are not.
    pub is_prose: bool,
}

/// Words after which a full stop ends no sentence, in lower case without their stop.
const ABBREVIATIONS: [&str; 51] = [
    "mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "gen", "col", "capt", "lt", "sgt", "rev", "hon", "gov", "sen",
    "rep", "vs", "etc", "e.g", "i.e", "ca", "cf", "fig", "no", "vol", "pp", "approx", "dept", "est", "inc", "ltd",
    "co", "corp", "u.s", "u.k", "a.m", "p.m", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct",
    "nov", "dec",
];

/// The sentences of a text. Joined with their joints they are the text, but for white space.
pub fn units(text: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut prose: Vec<&str> = Vec::new();
    let mut fence: Option<(Vec<&str>, &str)> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        let mark = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        match (&mut fence, mark) {
            (Some((lines, open)), mark) => {
                lines.push(line);
                if mark == Some(*open) {
                    units.push(kept(&lines.join("\n")));
                    fence = None;
                }
            }
            (None, Some(mark)) => {
                paragraph(&mut prose, &mut units);
                fence = Some((vec![line], mark));
            }
            (None, None) if trimmed.is_empty() => paragraph(&mut prose, &mut units),
            (None, None) if is_kept(line) => {
                paragraph(&mut prose, &mut units);
                units.push(kept(line.trim_end()));
            }
            // Lines that end a sentence, as each does in many corpora, end a paragraph, too.
            (None, None) => {
                prose.push(trimmed);
                if trimmed.ends_with(['.', '!', '?', '。', '！', '？', '”', '"']) {
                    paragraph(&mut prose, &mut units);
                }
            }
        }
    }
    // A fence that is not closed goes to the end.
    if let Some((lines, _)) = fence {
        units.push(kept(&lines.join("\n")));
    }
    paragraph(&mut prose, &mut units);
    if let Some(last) = units.last_mut() {
        last.joint.clear();
    }
    units
}

/// Sentences as a text.
pub fn joined<'a>(units: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (sentence, joint) in units {
        text.push_str(sentence);
        text.push_str(joint);
    }
    text.truncate(text.trim_end().len());
    text
}

fn kept(text: &str) -> Unit {
    Unit { text: text.to_owned(), joint: "\n".into(), is_prose: false }
}

/// Lines that are no prose: rows of tables, headings, indented code.
fn is_kept(line: &str) -> bool {
    let trimmed = line.trim_start();
    trimmed.starts_with('|') || trimmed.starts_with('#') || line.starts_with("    ") || line.starts_with('\t')
}

fn paragraph(lines: &mut Vec<&str>, units: &mut Vec<Unit>) {
    if lines.is_empty() {
        return;
    }
    // Chinese lines are joined without a space.
    let mut text = String::new();
    for line in lines.drain(..) {
        if !text.is_empty() && !text.ends_with(is_cjk_or_mark) {
            text.push(' ');
        }
        text.push_str(line);
    }
    let sentences = split(&text);
    let count = sentences.len();
    for (number, (sentence, spaced)) in sentences.into_iter().enumerate() {
        let joint = if number + 1 == count {
            "\n"
        } else if spaced {
            " "
        } else {
            ""
        };
        units.push(Unit { text: sentence.to_owned(), joint: joint.into(), is_prose: true });
    }
}

fn is_cjk_or_mark(c: char) -> bool {
    is_cjk(c) || matches!(c, '，' | '。' | '！' | '？' | '；' | '：' | '、' | '”' | '》' | '）')
}

/// The sentences of a paragraph, and whether a space follows each.
pub fn split(text: &str) -> Vec<(&str, bool)> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    let mut quotes = Quotes::default();
    while let Some((at, c)) = chars.next() {
        quotes.see(c);
        let (latin, chinese) = (matches!(c, '.' | '!' | '?' | '…'), matches!(c, '。' | '！' | '？'));
        if !latin && !chinese {
            continue;
        }
        let mut end = at + c.len_utf8();
        // More marks, and what closes a quotation or a bracket, belong to the sentence.
        while let Some(&(next, c)) = chars.peek() {
            if !matches!(
                c,
                '.' | '!' | '?' | '…' | '。' | '！' | '？' | '"' | '”' | '’' | '\'' | ')' | '）' | '」' | ']'
            ) {
                break;
            }
            quotes.see(c);
            end = next + c.len_utf8();
            chars.next();
        }
        let rest = text.get(end..).unwrap_or_default();
        let ends = if chinese {
            // “走。”他说。 is one sentence.
            let quoted = text.get(..end).unwrap_or_default().ends_with(['”', '」', '"']);
            !quoted || rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || matches!(c, '“' | '「'))
        } else {
            let next = rest.trim_start().chars().next();
            let begins = next.is_none_or(|c| {
                c.is_uppercase() || c.is_ascii_digit() || is_cjk(c) || matches!(c, '"' | '“' | '‘' | '\'' | '(' | '[')
            });
            let spaced = rest.is_empty() || rest.starts_with(char::is_whitespace);
            begins && spaced && !(c == '.' && is_abbreviation(last_word(text.get(start..at).unwrap_or_default())))
        };
        // What is said in quotation marks stays together.
        if !ends || quotes.is_open {
            continue;
        }
        let sentence = text.get(start..end).unwrap_or_default().trim();
        if !sentence.is_empty() {
            sentences.push((sentence, rest.starts_with(char::is_whitespace)));
        }
        start = end;
    }
    let last = text.get(start..).unwrap_or_default().trim();
    if !last.is_empty() {
        sentences.push((last, false));
    }
    sentences
}

/// Whether a quotation is open. Apostrophes tell nothing.
#[derive(Default)]
struct Quotes {
    is_open: bool,
}

impl Quotes {
    fn see(&mut self, c: char) {
        match c {
            '“' | '「' => self.is_open = true,
            '”' | '」' => self.is_open = false,
            '"' => self.is_open = !self.is_open,
            _ => {}
        }
    }
}

/// The last word of a text.
fn last_word(text: &str) -> &str {
    text.rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '“' | '"')).next().unwrap_or_default()
}

/// Whether a full stop after this word ends no sentence.
pub fn is_abbreviation(word: &str) -> bool {
    // Initials and the like: "J. Smith", "b. 1950", but not "World War I."
    let initial = word.chars().count() == 1 && word.chars().all(char::is_alphabetic) && word != "I";
    initial || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}

/// A text in parts of at most so many words each, cut where paragraphs or, in long ones, sentences end.
pub fn parts(text: &str, most: usize) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut open: Vec<Unit> = Vec::new();
    let mut room = most;
    for unit in units(text) {
        for piece in pieces(unit, most) {
            let size = qsef_score::text::words(&piece.text).len();
            if size > room && !open.is_empty() {
                parts.push(joined(open.iter().map(|unit| (unit.text.as_str(), unit.joint.as_str()))));
                open.clear();
                room = most;
            }
            room = room.saturating_sub(size);
            open.push(piece);
        }
    }
    if !open.is_empty() {
        parts.push(joined(open.iter().map(|unit| (unit.text.as_str(), unit.joint.as_str()))));
    }
    parts
}

/// A sentence that has no end for long is cut at spaces, or anywhere in a text without.
fn pieces(unit: Unit, most: usize) -> Vec<Unit> {
    let words = qsef_score::text::words(&unit.text);
    if words.len() <= most {
        return vec![unit];
    }
    let base = unit.text.as_ptr() as usize;
    let mut cuts: Vec<usize> = words.iter().skip(most).step_by(most).map(|w| w.as_ptr() as usize - base).collect();
    cuts.push(unit.text.len());
    let mut start = 0;
    let mut found = Vec::new();
    for cut in cuts {
        let text = unit.text.get(start..cut).unwrap_or_default().trim();
        start = cut;
        if !text.is_empty() {
            found.push(Unit { text: text.to_owned(), joint: " ".into(), is_prose: unit.is_prose });
        }
    }
    if let Some(last) = found.last_mut() {
        last.joint.clone_from(&unit.joint);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        units(text).into_iter().map(|unit| unit.text).collect()
    }

    #[test]
    fn sentences_end_where_they_end() {
        let text = "Dr. Smith (b. 1950) met J. R. Doe at 5 p.m. in the U.S. Then he left. It cost 2.5 million. “Go. Now!” he said.";
        assert_eq!(
            texts(text),
            [
                "Dr. Smith (b. 1950) met J. R. Doe at 5 p.m. in the U.S. Then he left.",
                "It cost 2.5 million.",
                "“Go. Now!” he said."
            ]
        );
        assert_eq!(texts("光合作用很重要。它需要光！“走。”他说。"), ["光合作用很重要。", "它需要光！", "“走。”他说。"]);
        assert!(texts(" \n ").is_empty());
    }

    #[test]
    fn what_is_no_prose_is_kept_and_joined_texts_are_the_same() {
        let text = "# Title\nOne. Two.\n\n```rust\nlet a = 1. ;\n\nlet b;\n```\n| a | b |\nThree\nfour.";
        let found = units(text);
        let kept: Vec<&str> = found.iter().filter(|u| !u.is_prose).map(|u| u.text.as_str()).collect();
        assert_eq!(kept, ["# Title", "```rust\nlet a = 1. ;\n\nlet b;\n```", "| a | b |"]);
        let again = joined(found.iter().map(|u| (u.text.as_str(), u.joint.as_str())));
        assert_eq!(again, "# Title\nOne. Two.\n```rust\nlet a = 1. ;\n\nlet b;\n```\n| a | b |\nThree four.");
        assert_eq!(texts("``` \nnever closed\n\nA. B."), ["``` \nnever closed\n\nA. B."]);
    }

    #[test]
    fn long_texts_are_cut_and_nothing_is_lost() {
        let text = "One two three. Four five six seven. Eight.\n".repeat(50);
        let found = parts(&text, 20);
        assert!(found.iter().all(|part| qsef_score::text::words(part).len() <= 20), "{found:?}");
        assert_eq!(found.join(" ").split_whitespace().count(), text.split_whitespace().count());
        let endless = "word ".repeat(1000);
        assert_eq!(parts(&endless, 100).len(), 10);
        let chinese = "知识".repeat(500);
        assert_eq!(parts(&chinese, 100).concat(), chinese);
    }
}
