//! Reading a task's surface: its words, its quoted parts, and its head (the action that it asks for).

use std::collections::BTreeSet;

use unicode_segmentation::UnicodeSegmentation;

/// Words that carry no topic.
const STOP: &[&str] = &[
    "a", "an", "the", "my", "your", "his", "her", "our", "their", "me", "you", "us", "them", "this", "that", "it", "i",
    "for", "to", "of", "by", "with", "from", "at", "on", "in", "and", "or", "is", "be", "do", "specific", "please",
    "d", "s", "ll", "m", "ve", "re", "t",
];

/// Words that begin the details of a task, after its action and object.
const DETAILS: &[&str] = &[
    "about",
    "regarding",
    "concerning",
    "for",
    "to",
    "with",
    "from",
    "at",
    "on",
    "in",
    "by",
    "via",
    "using",
    "of",
    "through",
    "into",
    "named",
    "called",
    "titled",
    "that",
    "who",
    "which",
    "after",
    "before",
    "while",
    "as",
];

/// Whether a character belongs to a script that is written without spaces between words.
pub fn is_cjk(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

/// The words of a text in order; each CJK character counts as a word.
pub fn words(text: &str) -> Vec<&str> {
    text.unicode_words().collect()
}

/// The text without its quoted parts; each leaves a space.
pub fn unquote(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, _, after)) = next_quoted(rest) {
        out.push_str(before);
        out.push(' ');
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The quoted parts of a text, without their quotes.
pub fn quoted(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, inside, after)) = next_quoted(rest) {
        found.push(inside);
        rest = after;
    }
    found
}

/// Splits at the first quoted part: before, inside, after. A quote opens after a boundary and closes before one, so
/// that apostrophes do neither. Fenced and tagged blocks and lines after `>` are quoted, too.
fn next_quoted(text: &str) -> Option<(&str, &str, &str)> {
    let mut previous = '\n';
    for (at, open) in text.char_indices() {
        if let Some((inside, after)) = text.get(at..).and_then(|rest| block(rest, previous == '\n')) {
            return Some((text.get(..at)?, inside, after));
        }
        let close = match open {
            '\'' | '"' | '`' => open,
            '‘' => '’',
            '“' => '”',
            '「' => '」',
            '『' => '』',
            '《' => '》',
            _ => {
                previous = open;
                continue;
            }
        };
        let opens = open != '\'' || !previous.is_alphanumeric();
        previous = open;
        let Some(rest) = text.get(at + open.len_utf8()..).filter(|_| opens) else { continue };
        let end = rest.char_indices().find(|&(i, c)| {
            let next = rest.get(i + c.len_utf8()..).and_then(|r| r.chars().next());
            i > 0 && c == close && (close != '\'' || !next.is_some_and(char::is_alphanumeric))
        });
        if let Some((end, close)) = end {
            let inside = rest.get(..end)?;
            let after = rest.get(end + close.len_utf8()..)?;
            return Some((text.get(..at)?, inside, after));
        }
    }
    None
}

/// What is inside of a block of material that a text begins with, and what comes after it: three or more backticks or quotation
/// marks up to as many, in which fewer close nothing; a tag up to the last end of one of its name; lines that begin with `>`.
fn block(text: &str, begins_line: bool) -> Option<(&str, &str)> {
    let open = text.chars().next()?;
    if open == '>' && begins_line {
        let end = text.split_inclusive('\n').take_while(|line| line.starts_with('>')).map(str::len).sum();
        return text.split_at_checked(end);
    }
    let (rest, close) = if open == '<' {
        let (tag, rest) = text.get(1..)?.split_once('>')?;
        let name = tag.split(|c: char| !c.is_ascii_alphanumeric()).next().filter(|name| !name.is_empty())?;
        (rest, format!("</{name}>"))
    } else {
        let marks = text.len() - text.trim_start_matches(open).len();
        if !matches!(open, '`' | '"') || marks < 3 {
            return None;
        }
        (text.get(marks..)?, open.to_string().repeat(marks))
    };
    let end = if open == '<' { rest.rfind(&close) } else { rest.find(&close) };
    match end {
        Some(end) => Some((rest.get(..end)?, rest.get(end + close.len()..)?)),
        // A fence that is not closed ends with the text.
        None => (open == '`').then_some((rest, "")),
    }
}

/// The action of a task and its object: the words outside quotes before its details, at least two and at most six.
/// "send an email to Ann about the meeting" has the head "send an email".
pub fn head(text: &str) -> String {
    let unquoted = unquote(text);
    let mut head = Vec::new();
    for (i, word) in words(&unquoted).into_iter().enumerate() {
        let lower = word.to_lowercase();
        if (i >= 2 && DETAILS.contains(&lower.as_str())) || head.len() == 6 {
            break;
        }
        if word.chars().any(char::is_alphabetic) {
            head.push(word);
        }
    }
    if head.is_empty() || head.iter().all(|w| w.chars().all(is_cjk)) { text.to_owned() } else { head.join(" ") }
}

/// A word without its English inflection, in lower case: enough to match "converts" with "converting".
pub fn stem(word: &str) -> String {
    let lower = word.to_lowercase();
    for suffix in ["ing", "ed", "es", "s", "e"] {
        if let Some(root) = lower.strip_suffix(suffix)
            && root.chars().count() >= 3
        {
            return root.to_owned();
        }
    }
    lower
}

/// The set of terms that a text can be matched by: stems of its words without function words and numbers; pairs of
/// neighbouring characters for CJK text.
pub fn terms(text: &str) -> BTreeSet<String> {
    let spaced = text.replace('_', " ");
    let mut terms = BTreeSet::new();
    let mut previous: Option<char> = None;
    for word in words(&spaced) {
        if let Some(c) = word.chars().next().filter(|&c| is_cjk(c)) {
            if let Some(p) = previous {
                terms.insert([p, c].iter().collect());
            }
            previous = Some(c);
            continue;
        }
        previous = None;
        for piece in word.split(['.', '\'', '’']) {
            let lower = piece.to_lowercase();
            if piece.chars().any(char::is_alphabetic) && !STOP.contains(&lower.as_str()) {
                terms.insert(stem(piece));
            }
        }
    }
    terms
}

/// The pairs of neighbouring words of a text as stems, function words included.
pub fn pairs(text: &str) -> BTreeSet<String> {
    let words: Vec<String> = words(text).into_iter().filter(|w| !w.chars().all(is_cjk)).map(stem).collect();
    words.iter().zip(words.iter().skip(1)).map(|(a, b)| format!("{a} {b}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_found_and_apostrophes_are_not() {
        assert_eq!(quoted("play 'It''s' and \"Don't stop\" on Ann's radio, 'now'"), ["It", "s", "Don't stop", "now"]);
        assert_eq!(unquote("the dog's bone"), "the dog's bone");
        assert_eq!(unquote("fix 'a.rs' now").split_whitespace().collect::<Vec<_>>(), ["fix", "now"]);
        assert_eq!(quoted("翻譯「你好」並朗讀"), ["你好"]);
        assert_eq!(quoted("an open ' quote"), Vec::<&str>::new());
    }

    #[test]
    fn blocks_of_material_are_quoted() {
        let inside = |text: &str| quoted(text).iter().map(|q| q.trim().to_owned()).collect::<Vec<_>>();
        assert_eq!(inside("sort\n```\nb\n```\nnow"), ["b"]);
        assert_eq!(inside("sort\n````\n```\nb\n```\n````\nnow"), ["```\nb\n```"]);
        assert_eq!(inside("sort ```b. and a"), ["b. and a"]);
        assert_eq!(inside("sort \"\"\"b \"c\" a\"\"\" now"), ["b \"c\" a"]);
        assert_eq!(inside("sort <doc id=\"1\">b</doc> c </doc> now"), ["b</doc> c"]);
        assert_eq!(inside("sort\n> b\n> a\nnow"), ["> b\n> a"]);
        assert_eq!(unquote("sort\n> b\nnow"), "sort\n now");
        for none in ["a Vec<T> in Rust", "if a > b", "x < y > z", ">"] {
            assert_eq!(inside(none).concat().replace('>', ""), "", "{none}");
        }
    }

    #[test]
    fn the_head_is_the_action_without_its_details() {
        assert_eq!(head("send an email to Ann about the meeting"), "send an email");
        assert_eq!(head("translate 'to be or not' into German"), "translate into German");
        assert_eq!(head("把這段文字翻譯成英文"), "把這段文字翻譯成英文");
        assert_eq!(head(""), "");
    }

    #[test]
    fn terms_match_across_inflection_and_in_chinese() {
        assert_eq!(terms("Converts the units"), terms("converting a unit"));
        assert!(terms("計算平均值").contains("平均"));
        assert!(terms("42 7.5 %").is_empty());
        assert_eq!(pairs("Signs me up").into_iter().collect::<Vec<_>>(), ["me up", "sign me"]);
    }
}
