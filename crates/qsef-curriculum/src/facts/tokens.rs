//! One pass over a text: code, addresses, numbers, words and the marks that end or open sentences.

use crate::sentences::is_abbreviation;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Inline code or a fenced block, with its marks.
    Code,
    /// A URL or an e-mail address.
    Address,
    /// Digits, with separators.
    Number,
    /// A word of a script with spaces, or letters with digits such as `H1N1`.
    Word,
    /// A mark that is of interest: it ends or opens a sentence.
    Mark,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) start: usize,
    /// Whether a sentence, a heading, a list item or a quotation starts here.
    pub(super) opens: bool,
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub(super) fn is_word(&self) -> bool {
        self.kind == Kind::Word
    }
}

/// Alternatives in the order in which they win. A space parts thousands only where no letter or digit follows, which
/// keeps "4 2013" apart.
const TOKEN: &str = r#"(?x)
      (?s:```.*?(?:```|\z)) | `[^`\n]+`
    | (?:https?://|www\.)[^\s<>"'`)\]，。；！？（）]+
    | [A-Za-z0-9_.+%-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+
    | [A-Za-z]+[0-9][A-Za-z0-9]* | [A-Z][A-Za-z]*-[0-9]+
    | [0-9]{4}-[0-9]{2}-[0-9]{2} | [0-9]{1,2}:[0-9]{2} | [0-9]+/[0-9]+(?:/[0-9]+)?
    | [0-9]{1,3}(?:[,'’][0-9]{3})+(?:\.[0-9]+)?
    | [0-9]{1,3}(?:[\x20\u{a0}\u{202f}\u{2009}][0-9]{3})+(?-u:\b)
    | [0-9]+(?:\.[0-9]+)?
    | (?:[A-Za-z]\.){2,}
    | [\p{L}\p{M}--\p{Han}\p{Hiragana}\p{Katakana}]+(?:['’][\p{L}--\p{Han}]+)*
    | [.!?…。！？:：\n"“”‘(\[\#*•;—–|]"#;

/// The tokens of a text, in order.
pub(super) fn of(text: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::with_capacity(text.len() / 5);
    let mut opens = true;
    for found in regex!(TOKEN).find_iter(text) {
        let (token, start) = (found.as_str(), found.start());
        let kind = kind(token);
        if kind == Kind::Mark {
            opens = match token {
                "." => ends(text, found.end(), tokens.last().filter(|last| last.is_word() && last.end() == start)),
                // A straight quotation mark opens where white space is before it.
                "\"" => opens || text.get(..start).is_none_or(|head| head.ends_with([' ', '(', '\n'])),
                "”" | "—" | "–" => opens,
                "(" | "[" | ";" => false,
                _ => true,
            };
            tokens.push(Token { kind, text: token, start, opens: false });
            continue;
        }
        let text = if kind == Kind::Address { token.trim_end_matches(['.', ',', ':', ';', '!', '?']) } else { token };
        tokens.push(Token { kind, text, start, opens });
        opens = false;
    }
    tokens
}

fn kind(token: &str) -> Kind {
    let first = token.chars().next().unwrap_or(' ');
    if first == '`' {
        Kind::Code
    } else if token.contains('@') || token.contains("://") || token.starts_with("www.") {
        Kind::Address
    } else if first.is_ascii_digit() {
        Kind::Number
    } else if first.is_alphabetic() {
        Kind::Word
    } else {
        Kind::Mark
    }
}

/// Whether a full stop ends a sentence: not after an initial or an abbreviation, and not inside of a word.
fn ends(text: &str, end: usize, word: Option<&Token<'_>>) -> bool {
    let inside = text.get(end..).is_some_and(|tail| tail.starts_with(char::is_alphanumeric));
    !inside && word.is_none_or(|word| !is_abbreviation(word.text))
}
