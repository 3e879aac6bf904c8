//! Names by their capitals, in scripts that have them.

use std::collections::HashSet;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{
    lists,
    tokens::{Kind, Token},
    units,
};

/// A name of a text.
#[derive(Debug, Clone)]
pub(super) struct Name {
    /// As the text writes it, without titles.
    pub(super) shown: String,
    /// Its words, folded; never empty.
    pub(super) words: Vec<String>,
    /// The initials of the whole that it belongs to, in capitals: `OAS` for the Organization of American States.
    pub(super) initials: Option<String>,
    /// Whether its first word begins a sentence, and may be no part of it.
    pub(super) doubtful: bool,
    /// Whether it is written in capitals and short enough for a common word.
    pub(super) acronym: bool,
    pub(super) start: usize,
}

impl Name {
    /// The first letters of its words, in capitals.
    pub(super) fn own_initials(&self) -> String {
        self.words.iter().filter_map(|word| word.chars().next()).flat_map(char::to_uppercase).collect()
    }
}

/// What the capitals of a text tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) names: Vec<Name>,
    /// Every word with a capital, folded, wherever it stands.
    pub(super) capitals: HashSet<String>,
    /// Acronyms as written, without dots.
    pub(super) acronyms: HashSet<String>,
    /// Initials of names of more than one word.
    pub(super) initials: HashSet<String>,
}

/// A word as it is compared: without its possessive, plural, accents and capitals.
pub(super) fn fold(word: &str) -> String {
    let word = ["'s", "’s", "'", "’"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
    // MPs and UNs.
    let single = word.strip_suffix('s').filter(|head| head.len() > 1 && head.bytes().all(|b| b.is_ascii_uppercase()));
    let word = single.unwrap_or(word);
    let mut folded = if word.is_ascii() {
        word.to_ascii_lowercase()
    } else {
        word.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
    };
    if folded.contains('.') {
        folded = folded.replace('.', "");
    }
    if folded.len() > 3 && folded.ends_with('s') && !folded.ends_with("ss") {
        folded.pop();
    }
    folded
}

/// Words in capitals that are nobody's name: of at least two letters, which keeps "I" and "A" out.
fn is_name(word: &str) -> bool {
    let mut letters = word.chars();
    let capital = letters.next().is_some_and(char::is_uppercase);
    let long = letters.next().is_some();
    // "iPhone", but not "kWh".
    let inside = !capital && word.contains(char::is_uppercase) && units::word(word).is_none();
    (capital && long && !is_contraction(word)) || inside
}

fn is_contraction(word: &str) -> bool {
    let mut ends = word.split(['\'', '’']);
    let first = ends.next().unwrap_or_default();
    let last = ends.next().unwrap_or_default();
    matches!(last, "ll" | "re" | "ve" | "d" | "m" | "t")
        || (last == "s" && lists::OPENERS.contains(first.to_lowercase().as_str()))
}

fn is_acronym(word: &str) -> bool {
    let letters = word.chars().filter(|c| *c != '.').count();
    (2..=6).contains(&letters) && word.chars().all(|c| c.is_uppercase() || c == '.' || c.is_ascii_digit())
}

/// The names of a text. A single word that begins a sentence is one where the text, or `known`, has it elsewhere.
pub(super) fn of(text: &str, tokens: &[Token<'_>], known: Option<&Names>) -> Names {
    let mut names = Names::default();
    let mut openers: Vec<Name> = Vec::new();
    let headings = headings(text);
    let in_heading = |start: usize| headings.iter().any(|range| range.contains(&start));
    let mut at = 0;
    // The capitals since the last break, with "of" and "the" between them, as initials tell them.
    let mut wide = (String::new(), 0);
    while let Some(token) = tokens.get(at) {
        if token.kind != Kind::Word || !is_name(token.text) {
            if !(token.is_word() && matches!(token.text, "of" | "the" | "for" | "and" | "on")) {
                close(&mut names, &mut wide);
            }
            at += 1;
            continue;
        }
        // A run of words in capitals.
        let from = at;
        at += 1;
        while let Some(next) = tokens.get(at) {
            let gap = tokens.get(at - 1).and_then(|before| text.get(before.end()..next.start));
            let particle = lists::PARTICLES.contains(&next.text)
                && tokens.get(at + 1).is_some_and(|after| after.is_word() && is_name(after.text));
            if !next.is_word() || !matches!(gap, Some(" " | "-" | " & ")) || !(is_name(next.text) || particle) {
                break;
            }
            // "Obama's America" are two.
            let possessive = tokens.get(at - 1).is_some_and(|before| {
                before.text.ends_with(['\'', '’']) || before.text.contains("'s") || before.text.contains("’s")
            });
            if possessive {
                break;
            }
            at += 1;
        }
        let run = tokens.get(from..at).unwrap_or_default();
        for token in run {
            names.capitals.insert(fold(token.text));
            if is_acronym(token.text) {
                names.acronyms.insert(token.text.replace('.', ""));
            }
            if token.text.starts_with(char::is_uppercase) && !token.opens {
                wide.0.extend(token.text.chars().next());
            } else if !lists::OPENERS.contains(token.text.to_lowercase().as_str()) {
                wide.0.extend(token.text.chars().next().filter(|c| c.is_uppercase()));
            }
        }
        if run.first().is_some_and(|first| in_heading(first.start)) {
            continue;
        }
        split(text, run, &mut names.names, &mut openers);
    }
    close(&mut names, &mut wide);
    let seen: HashSet<&String> = names.names.iter().flat_map(|name| &name.words).collect();
    let is_known =
        |name: &Name| name.words.iter().all(|word| seen.contains(word) || known.is_some_and(|known| known.has(word)));
    let adopted: Vec<Name> = openers.into_iter().filter(is_known).collect();
    names.names.extend(adopted);
    names.names.sort_by_key(|name| name.start);
    let many = names.names.iter().filter(|name| name.words.len() > 1);
    names.initials.extend(many.map(Name::own_initials));
    names
}

impl Names {
    fn has(&self, word: &str) -> bool {
        self.names.iter().any(|name| name.words.iter().any(|w| w == word))
    }
}

/// Gives the names since the last break the initials of the whole.
fn close(names: &mut Names, wide: &mut (String, usize)) {
    let (initials, from) = std::mem::take(wide);
    if initials.len() >= 2 {
        for name in names.names.iter_mut().skip(from) {
            name.initials = Some(initials.clone());
        }
        names.initials.insert(initials);
    }
    wide.1 = names.names.len();
}

/// The names in a run of capitals: titles part it and belong to none; days and months stand alone.
fn split(text: &str, run: &[Token<'_>], names: &mut Vec<Name>, openers: &mut Vec<Name>) {
    let mut part: Vec<&Token<'_>> = Vec::new();
    let mut flush = |part: &mut Vec<&Token<'_>>| {
        let tokens = std::mem::take(part);
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return };
        let shown = text.get(first.start..last.end()).unwrap_or_default();
        let shown = shown.trim_end_matches("'s").trim_end_matches("’s").to_owned();
        let words: Vec<String> = tokens.iter().filter(|t| is_name(t.text)).map(|t| fold(t.text)).collect();
        let single = words.len() == 1;
        let doubtful = first.opens && !is_acronym(first.text) && !lists::is_date(&fold(first.text));
        if single && words.first().is_some_and(|word| lists::GENERIC.contains(word.as_str())) {
            return;
        }
        let acronym = single && shown.len() < 5 && is_acronym(&shown);
        let name = Name { shown, words, initials: None, doubtful, acronym, start: first.start };
        if single && doubtful { openers.push(name) } else { names.push(name) }
    };
    for token in run {
        let lower = token.text.to_lowercase();
        let folded = fold(token.text);
        let opener = token.opens && lists::OPENERS.contains(lower.as_str());
        let title = lists::TITLES.contains(folded.as_str());
        if opener
            || title
            || lists::IGNORED.contains(folded.as_str())
            || lists::OPENERS.contains(folded.as_str()) && !is_acronym(token.text)
        {
            flush(&mut part);
        } else if lists::is_date(&folded) {
            flush(&mut part);
            // "May" at the start of a sentence is a verb more often.
            if !(token.opens && matches!(folded.as_str(), "may" | "march")) {
                part.push(token);
                flush(&mut part);
            }
        } else {
            part.push(token);
        }
    }
    flush(&mut part);
}

/// The most bytes of a heading.
const LONGEST: usize = 160;

/// Lines in which most words have capitals: they are headings, where capitals mean nothing.
fn headings(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if trimmed.len() > LONGEST {
            start += line.len();
            continue;
        }
        let long = || {
            trimmed.split_whitespace().filter(|word| word.chars().count() > 3 && word.starts_with(char::is_alphabetic))
        };
        let all = if trimmed.ends_with(['.', '!', '?', '。']) { 0 } else { long().count() };
        let shouted = trimmed.len() > 12 && !trimmed.contains(char::is_lowercase) && trimmed.contains(' ');
        if trimmed.starts_with('#')
            || (shouted && trimmed.contains(|c: char| c.is_ascii_uppercase()))
            || (all >= 4 && long().filter(|word| word.starts_with(char::is_uppercase)).count() * 5 >= all * 4)
        {
            found.push(start..start + line.len());
        }
        start += line.len();
    }
    found
}
