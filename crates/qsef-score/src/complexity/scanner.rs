//! Splits a text into words and sentences, and counts its marks, in one pass.

use super::{
    chinese,
    reading::{Marks, Sentence},
};
use crate::text::is_cjk;

/// A word's place.
pub(super) struct Found {
    /// Where it ends in the lower-case words; it starts where the one before ends.
    pub end: usize,
    /// Index of its sentence.
    pub sentence: usize,
}

#[derive(Default)]
pub(super) struct Scanner {
    /// The words in lower case, one after the other.
    pub lower: String,
    pub words: Vec<Found>,
    pub sentences: Vec<Sentence>,
    pub marks: Marks,
    /// Whether the sentence is over unless the next word begins in lower case.
    over: bool,
    /// Line breaks since the last word. Two, a blank line, end the sentence.
    breaks: usize,
}

/// How a character takes part in words.
#[derive(PartialEq, Clone, Copy)]
enum Class {
    Spaced,
    Chinese,
    Between,
}

fn class(c: char) -> Class {
    let combining_accent = matches!(c, '\u{300}'..='\u{36f}');
    if !c.is_alphanumeric() && !combining_accent {
        Class::Between
    } else if is_cjk(c) {
        Class::Chinese
    } else {
        Class::Spaced
    }
}

/// Whether a character between two others is inside a word: "don't", "1,000", "snake_case".
fn joins(before: char, c: char, after: char) -> bool {
    match c {
        '\'' | '’' | '_' => class(before) == Class::Spaced && class(after) == Class::Spaced,
        '.' | ',' => before.is_numeric() && after.is_numeric(),
        _ => false,
    }
}

impl Scanner {
    pub(super) fn scan(text: &str) -> Self {
        let mut scanner = Self { lower: String::with_capacity(text.len()), ..Self::default() };
        let mut start = 0;
        let mut run = Class::Between;
        let mut before = ' ';
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            scanner.character(c);
            let after = chars.peek().map_or(' ', |&(_, c)| c);
            let class = if run == Class::Spaced && joins(before, c, after) { Class::Spaced } else { class(c) };
            if class != run {
                scanner.end(run, text.get(start..at).unwrap_or_default());
                (start, run) = (at, class);
            }
            if class == Class::Between {
                scanner.mark(before, c, after);
            }
            before = c;
        }
        scanner.end(run, text.get(start..).unwrap_or_default());
        scanner
    }

    fn character(&mut self, c: char) {
        self.marks.characters += usize::from(!c.is_whitespace());
        self.marks.digits += usize::from(c.is_numeric());
        self.marks.upper_case += usize::from(c.is_uppercase());
        self.marks.non_ascii += usize::from(!c.is_ascii() && !c.is_whitespace());
    }

    /// Takes a finished run of characters of one class.
    fn end(&mut self, class: Class, run: &str) {
        match class {
            Class::Between => {}
            Class::Spaced => self.word(run),
            Class::Chinese => {
                self.marks.chinese_numbers += chinese::numbers(run);
                chinese::segment(run, |word| self.word(word));
            }
        }
    }

    fn word(&mut self, word: &str) {
        let lower = word.chars().next().is_some_and(char::is_lowercase);
        if self.sentences.is_empty() || self.breaks > 1 || self.over && !lower {
            self.sentences.push(Sentence::default());
        } else {
            self.marks.names += usize::from(word.chars().next().is_some_and(char::is_uppercase));
        }
        (self.over, self.breaks) = (false, 0);
        self.lower.extend(word.chars().flat_map(char::to_lowercase));
        self.words.push(Found { end: self.lower.len(), sentence: self.sentences.len() - 1 });
    }

    fn mark(&mut self, before: char, c: char, after: char) {
        self.marks.symbols += usize::from(!c.is_whitespace());
        let (mut phrases, mut brackets) = (0, 0);
        match c {
            '!' | '?' | '。' | '！' | '？' | '…' => self.over = true,
            // Not within "example.org", nor after an initial.
            '.' => self.over |= class(after) == Class::Between && !self.initial(before),
            '\n' => {
                self.marks.line_breaks += 1;
                self.breaks += 1;
                self.over = true;
            }
            ',' | '，' | '、' => {
                self.marks.commas += 1;
                phrases = 1;
            }
            ';' | '；' | '：' | '–' | '—' => phrases = 1,
            ':' => phrases = usize::from(after.is_whitespace()),
            '(' | '[' | '{' | '（' | '【' | '「' | '『' | '《' => (phrases, brackets) = (1, 1),
            '%' | '％' => self.marks.percents += 1,
            _ => {}
        }
        if let Some(sentence) = self.sentences.last_mut() {
            sentence.phrases += phrases;
            sentence.brackets += brackets;
        }
    }

    /// Whether the last word is a single letter, as in "U.S." and "e.g.".
    fn initial(&self, before: char) -> bool {
        let start = self.words.iter().rev().nth(1).map_or(0, |w| w.end);
        class(before) == Class::Spaced && before.is_alphabetic() && self.lower.len() - start == before.len_utf8()
    }
}
