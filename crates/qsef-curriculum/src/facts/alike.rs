//! Whether a name of one text is in another.

use super::{
    lists,
    names::{Name, Names},
};
use std::collections::HashSet;

/// A text in which a name is looked for.
pub(super) struct Place<'a> {
    pub(super) names: &'a Names,
    /// All words of the text, folded.
    pub(super) words: &'a HashSet<String>,
}

impl Place<'_> {
    /// Whether the text has a word of a name, or one of the same root ("Canada", "Canadian"), or another name for it.
    fn has(&self, word: &str, acronym: bool) -> bool {
        let capitals = &self.names.capitals;
        // "US" is not "us".
        let written = if acronym { capitals } else { self.words };
        if written.contains(word) {
            return true;
        }
        let same = |aliases: &&&[&str]| aliases.contains(&word);
        lists::ALIASES.iter().find(same).is_some_and(|aliases| aliases.iter().any(|a| capitals.contains(*a)))
            || capitals.iter().any(|other| related(word, other))
            // "COVID-19" is "Covid", too.
            || capitals.iter().any(|other| other.split_once('-').is_some_and(|(head, _)| head == word))
            || word.split_once('-').is_some_and(|(head, _)| head.len() > 3 && self.words.contains(head))
    }

    /// Whether the text has the acronym of a name, or the name of an acronym.
    fn has_initials(&self, name: &Name) -> bool {
        if name.words.len() == 1 && self.names.initials.contains(&name.shown.replace('.', "")) {
            return true;
        }
        let known = |initials: &str| initials.len() > 1 && self.names.acronyms.contains(initials);
        known(&name.own_initials()) || name.initials.as_deref().is_some_and(known)
    }

    /// Whether a name of another text survives here: by its telling words, by initials, or by another name. Where another
    /// name has the same last word (`namesake`), the first words have to tell them apart.
    pub(super) fn keeps(&self, name: &Name, namesake: bool) -> bool {
        if self.has_initials(name) {
            return true;
        }
        let telling =
            |word: &&String| !lists::GENERIC.contains(word.as_str()) && !lists::DIRECTIONS.contains(word.as_str());
        if namesake && let Some((_, first)) = name.words.split_last() {
            return first.iter().any(|word| self.has(word, name.acronym));
        }
        let mut words = name.words.iter().filter(telling).peekable();
        if words.peek().is_none() {
            return name.words.iter().any(|word| self.has(word, name.acronym));
        }
        let skip = usize::from(name.doubtful && name.words.len() > 2);
        words.skip(skip).any(|word| self.has(word, name.acronym))
            || name.words.last().filter(telling).is_some_and(|word| self.has(word, name.acronym))
    }

    /// Whether every word of a name is here; words for kinds of things may be added.
    pub(super) fn covers(&self, name: &Name) -> bool {
        let skip = usize::from(name.doubtful && name.words.len() > 1);
        let known = |word: &String| lists::GENERIC.contains(word.as_str()) || self.has(word, name.acronym);
        self.has_initials(name) || name.words.iter().skip(skip).all(known)
    }
}

/// Whether two words are of one root, where one of them is formed as adjectives of nations and places are.
fn related(a: &str, b: &str) -> bool {
    const ENDINGS: &[&str] = &["an", "ish", "ese", "i", "ic", "er", "ine", "ch"];
    let formed = |word: &str| ENDINGS.iter().any(|ending| word.ends_with(ending));
    let (Some(head), Some(other)) = (a.get(..4), b.get(..4)) else { return false };
    head == other && a != b && (formed(a) || formed(b)) && a.len().abs_diff(b.len()) <= 4
}

/// Whether two names of a text share their last word and differ before it ("Barack Obama", "Michelle Obama").
pub(super) fn are_namesakes(a: &Name, b: &Name) -> bool {
    let full = a.words.len() > 1 && b.words.len() > 1 && a.words.last() == b.words.last();
    let generic = a.words.last().is_some_and(|word| lists::GENERIC.contains(word.as_str()));
    full && !generic && !a.words.iter().take(a.words.len() - 1).any(|word| b.words.contains(word))
}
