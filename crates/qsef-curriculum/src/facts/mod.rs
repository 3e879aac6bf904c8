//! Which facts of a text survive in a simpler wording of it: numbers with their units, names, negations and code.
//!
//! Facts are read from the surface, without a model: the same number may be written in another way ("7,000", "seven
//! thousand"), a name may lose its title or become an adjective ("Canada", "Canadian"), and a negation may take another
//! form ("not legal", "illegal"). Where it is doubtful whether something is a fact, it is none: a false alarm costs a good
//! rewording.

mod alike;
mod chinese;
mod lists;
mod names;
mod negations;
mod numbers;
mod tokens;
mod units;
mod words;

use std::collections::HashSet;

use crate::item::Language;
use alike::Place;
use negations::Negations;
use numbers::{Number, ONE};
use tokens::Kind;

/// What a text says that can be looked for in another.
#[derive(Debug, Clone)]
pub struct Facts {
    text: String,
    numbers: Vec<Number>,
    names: names::Names,
    chinese: Vec<chinese::Name>,
    /// Code and addresses, with where they start: as they have to stand.
    verbatim: Vec<(String, Kind, usize)>,
    negations: Negations,
    /// All words, folded.
    words: HashSet<String>,
}

impl Facts {
    /// The facts of a text. A single word in capitals at the start of a sentence is no name unless the text has it
    /// elsewhere: see [`Facts::within`].
    pub fn of(text: &str, language: Language) -> Self {
        Self::read(text, language, None)
    }

    /// The facts of a part of a text whose facts are known: a word at the start of a sentence is a name if it is one in the
    /// whole.
    pub fn within(text: &str, whole: &Facts, language: Language) -> Self {
        Self::read(text, language, Some(whole))
    }

    fn read(text: &str, language: Language, whole: Option<&Facts>) -> Self {
        let tokens = tokens::of(text);
        let zh = language == Language::Zh;
        let mut numbers = numbers::of(text, &tokens, zh);
        if zh {
            chinese::numbers(text, &mut numbers);
        }
        let verbatim = tokens.iter().filter(|token| matches!(token.kind, Kind::Code | Kind::Address));
        let mut names = names::of(text, &tokens, whole.map(|whole| &whole.names));
        // The month of a date in digits; of 4/7/2013 it may be either.
        let dates = tokens.iter().filter(|token| token.kind == Kind::Number && token.text.len() > 7);
        names.capitals.extend(dates.flat_map(|token| months(token.text)));
        let mut words: HashSet<String> =
            tokens.iter().filter(|token| token.is_word()).map(|token| names::fold(token.text)).collect();
        words.extend(names.capitals.iter().cloned());
        Self {
            numbers,
            names,
            chinese: if zh { chinese::names(text) } else { Vec::new() },
            verbatim: verbatim.map(|token| (verbatim_of(token.text), token.kind, token.start)).collect(),
            negations: if zh { negations::chinese(text) } else { negations::english(&tokens) },
            words,
            text: text.to_owned(),
        }
    }

    /// Whether there is nothing that a rewording has to keep.
    pub fn is_empty(&self) -> bool {
        !self.numbers.iter().any(|number| number.required)
            && self.names.names.is_empty()
            && self.chinese.is_empty()
            && self.verbatim.is_empty()
            && self.negations.strong == 0
    }

    /// The numbers, names, code and addresses as the text writes them, in order and each once, to be named in a prompt:
    /// "7,000 people", "Iqaluit". Negations are not among them.
    pub fn words(&self) -> Vec<String> {
        let numbers = self.numbers.iter().filter(|n| n.required).map(|n| (n.start, self.counted(n)));
        let names = self.names.names.iter().map(|name| (name.start, name.shown.clone()));
        let chinese = self.chinese.iter().map(|name| (name.start, name.shown.clone()));
        let verbatim = self.verbatim.iter().map(|(text, _, start)| (*start, text.clone()));
        let mut all: Vec<(usize, String)> = numbers.chain(names).chain(chinese).chain(verbatim).collect();
        all.sort_by_key(|(start, _)| *start);
        let mut seen = HashSet::new();
        all.into_iter().map(|(_, text)| text).filter(|text| !text.is_empty() && seen.insert(text.clone())).collect()
    }

    /// A number as it is written.
    fn shown(&self, number: &Number) -> &str {
        self.text.get(number.start..number.end).unwrap_or_default().trim()
    }

    /// A number with the word after it, where it counts something: "7,000 people".
    fn counted(&self, number: &Number) -> String {
        let shown = self.shown(number);
        let tail = self.text.get(number.end..).unwrap_or_default();
        let word = tail.strip_prefix(' ').and_then(|tail| tail.split(|c: char| !c.is_alphabetic()).next());
        let small = |word: &&str| word.len() > 2 && word.is_ascii() && word.chars().all(|c| c.is_ascii_lowercase());
        match word.filter(small).filter(|word| number.unit.is_none() && !FUNCTION.contains(word)) {
            Some(word) => format!("{shown} {word}"),
            None => shown.to_owned(),
        }
    }

    fn place(&self) -> Place<'_> {
        Place { names: &self.names, words: &self.words }
    }

    /// Whether a Chinese name, or what tells it, is in the text.
    fn has(&self, name: &chinese::Name) -> bool {
        self.text.contains(&name.core) || name.other.as_ref().is_some_and(|other| self.text.contains(other))
    }
}

/// Words after a number that it does not count.
const FUNCTION: &[&str] = &[
    "and", "are", "but", "for", "from", "had", "has", "have", "into", "more", "nor", "not", "other", "out", "than",
    "that", "the", "they", "this", "were", "was", "when", "which", "while", "who", "will", "with",
];

/// What `rewritten` lacks of `source`, as texts such as "the number 7,000", "the name Iqaluit", "a negation (not)", "the
/// code `x`". Empty: nothing is lost.
pub fn lost(source: &Facts, rewritten: &Facts) -> Vec<String> {
    let mut lost = Vec::new();
    for number in source.numbers.iter().filter(|number| number.required) {
        let mut same = rewritten.numbers.iter().filter(|other| number.equals(other)).peekable();
        if same.peek().is_none() {
            let article = number.value == ONE && number.unit.is_some_and(|unit| rewritten.names_unit(unit));
            if !article {
                lost.push(format!("the number {}", source.shown(number)));
            }
        } else if let Some(unit) = number.unit
            && !same.any(|other| rewritten.fits(unit, other))
        {
            lost.push(format!("the unit of {}", source.shown(number)));
        }
    }
    let (place, all) = (rewritten.place(), &source.names.names);
    for name in all {
        let namesake = all.iter().any(|other| alike::are_namesakes(name, other));
        if !place.keeps(name, namesake) {
            lost.push(format!("the name {}", name.shown));
        }
    }
    lost.extend(
        source.chinese.iter().filter(|name| !rewritten.has(name)).map(|name| format!("the name {}", name.shown)),
    );
    for (text, kind, _) in source.verbatim.iter().filter(|(text, ..)| !rewritten.text.contains(text.as_str())) {
        lost.push(match kind {
            Kind::Code if text.contains('\n') => format!("the code ```{}```", shortened(text)),
            Kind::Code => format!("the code `{text}`"),
            _ => format!("the address {text}"),
        });
    }
    // Rewordings join negations, so that a third of them is enough.
    let (had, has) = (source.negations.strong, &rewritten.negations);
    if had > 0 && (has.strong + has.weak) * 3 < had {
        lost.push(format!("a negation ({})", source.negations.word));
    }
    once(lost)
}

/// What `rewritten` says that `context`, the whole source, does not: "the number 12", "the name Paris". Negations are
/// compared by [`negation_added`].
pub fn added(context: &Facts, rewritten: &Facts) -> Vec<String> {
    let numbers = rewritten.numbers.iter().filter(|number| number.required && number.value != ONE);
    let numbers = numbers.filter(|number| !context.numbers.iter().any(|other| number.equals(other)));
    let mut added: Vec<String> = numbers.map(|number| format!("the number {}", rewritten.shown(number))).collect();
    let place = context.place();
    let names = rewritten.names.names.iter().filter(|name| !place.covers(name));
    added.extend(names.map(|name| format!("the name {}", name.shown)));
    let chinese = rewritten.chinese.iter().filter(|name| !context.has(name));
    added.extend(chinese.map(|name| format!("the name {}", name.shown)));
    once(added)
}

/// Whether `rewritten` denies something where `source` neither denies nor says an opposite ("unable", "few", 拒绝).
pub fn negation_added(source: &Facts, rewritten: &Facts) -> bool {
    rewritten.negations.strong > 0 && !source.negations.any()
}

impl Facts {
    /// Whether a number may have a unit: it is written there, or the text has it at another number ("5 to 10 km"), or it is
    /// one that goes without saying.
    fn fits(&self, unit: units::Unit, number: &Number) -> bool {
        match number.unit {
            Some(own) => units::alike(own, unit),
            None => {
                units::is_soft(unit)
                    || number.value.abs() < ONE
                    || self.numbers.iter().filter_map(|n| n.unit).any(|own| units::alike(own, unit))
            }
        }
    }

    /// Whether the text has the word of a unit, at a number or not.
    fn names_unit(&self, unit: units::Unit) -> bool {
        self.text.split(|c: char| !c.is_alphabetic()).filter_map(units::word).any(|own| units::alike(own, unit))
            || self.numbers.iter().filter_map(|number| number.unit).any(|own| units::alike(own, unit))
    }
}

/// Code without its marks and without white space at the ends of lines.
fn verbatim_of(text: &str) -> String {
    if let Some(block) = text.strip_prefix("```") {
        let block = block.strip_suffix("```").unwrap_or(block);
        let code = block.split_once('\n').map_or(block, |(_, code)| code);
        return code.trim_end().to_owned();
    }
    text.trim_matches('`').to_owned()
}

fn shortened(code: &str) -> String {
    const MOST: usize = 80;
    let short: String = code.chars().take(MOST).collect();
    if short.len() < code.len() { format!("{short}…") } else { short }
}

/// The folded names of the months that a date such as 2013-07-04 or 4/7/2013 may be in.
fn months(date: &str) -> impl Iterator<Item = String> {
    const MONTHS: &str = "january february march april may june july august september october november december";
    let parts = date.split(['-', '/']).filter(|_| !date.contains([',', '.', ' ']));
    let numbers = parts.filter_map(|part| part.parse::<usize>().ok()?.checked_sub(1));
    numbers.filter_map(|month| MONTHS.split(' ').nth(month)).map(str::to_owned)
}

fn once(mut texts: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    texts
}

#[cfg(test)]
mod tests;
