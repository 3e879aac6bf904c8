//! What is not worth writing tiers for, and what must not be in the data: duplicates, evaluation sets, other languages,
//! texts too short or too long, personal data and secrets.

mod contamination;
mod diversity;
mod duplicates;
mod language;
mod lengths;
mod scrub;

use std::{borrow::Cow, collections::BTreeMap, path::PathBuf};

use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::item::{Item, Kind, Language, Rejected, Step};
pub use contamination::Contamination;
pub use diversity::most_diverse;
pub use duplicates::{Duplicate, Duplicates};
pub use language::detect;
pub use lengths::Lengths;
pub use scrub::scrub;

/// What a filter lets pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Rules {
    /// The fewest words of a passage, each Chinese character counted as one: 15. Answers, reasoning and topics may be
    /// shorter.
    pub least_words: usize,
    /// The most words of a text; 0, the default, for no limit.
    pub most_words: usize,
    /// The Jaccard similarity, in (0, 1], from which a text is a near duplicate: 0.8. At 1 only the same texts are.
    pub near: f64,
    /// The languages that are taken: both.
    pub languages: Vec<Language>,
    /// Whether personal data and secrets are replaced: no.
    pub scrub: bool,
    /// An evaluation file whose texts must not be in the data.
    pub against: Option<PathBuf>,
    /// The number of words of the n-grams that are looked for in it: 13, at least 5.
    pub ngram: usize,
}

impl Default for Rules {
    fn default() -> Self {
        let languages = vec![Language::En, Language::Zh];
        Self { least_words: 15, most_words: 0, near: 0.8, languages, scrub: false, against: None, ngram: 13 }
    }
}

/// Items go through it one after another; it remembers those that passed.
#[derive(Debug, Clone)]
pub struct Filter {
    rules: Rules,
    duplicates: Duplicates,
    against: Option<Contamination>,
    /// The evaluation file's name, without folders.
    name: String,
    found: BTreeMap<&'static str, usize>,
}

/// The seed of the hash functions: results do not depend on the run.
const SEED: u64 = 0x5EED;

/// The most characters of an n-gram in a reason.
const SHOWN: usize = 120;

impl Filter {
    /// A filter that nothing has gone through.
    ///
    /// # Errors
    /// [`Error::Input`] for limits outside of their ranges, and what [`Contamination::read`] fails with.
    pub fn new(rules: &Rules) -> Result<Self> {
        let wrong = if !(rules.near > 0.0 && rules.near <= 1.0) {
            Some(format!("`near` is {}: it has to be above 0 and at most 1", rules.near))
        } else if rules.most_words > 0 && rules.most_words < rules.least_words {
            Some(format!("`most_words` ({}) is less than `least_words` ({})", rules.most_words, rules.least_words))
        } else if rules.ngram < 5 {
            Some(format!("`ngram` is {}: shorter n-grams than 5 words are in any text", rules.ngram))
        } else if rules.languages.is_empty() {
            Some("`languages` is empty: name `en`, `zh` or both".into())
        } else {
            None
        };
        if let Some(wrong) = wrong {
            return Err(Error::Input(wrong));
        }
        let against = rules.against.as_deref().map(|path| Contamination::read(path, rules.ngram)).transpose()?;
        let name = rules.against.as_deref().and_then(|path| path.file_name()).unwrap_or_default();
        let (name, duplicates) = (name.to_string_lossy().into_owned(), Duplicates::new(rules.near, SEED));
        Ok(Self { rules: rules.clone(), duplicates, against, name, found: BTreeMap::new() })
    }

    /// Takes an item in, scrubbed and with the language of its text, or says why not.
    ///
    /// # Errors
    /// The item as rejected, with the reason.
    #[allow(clippy::result_large_err, reason = "rejected items are written to a file as they are")]
    pub fn pass(&mut self, mut item: Item) -> std::result::Result<Item, Rejected> {
        if let Some(reason) = self.refuse(&mut item) {
            return Err(Rejected::item(&item, Step::Filter, reason));
        }
        if self.rules.scrub {
            self.scrub(&mut item);
        }
        Ok(item)
    }

    /// What was replaced so far, by kind.
    pub fn found(&self) -> &BTreeMap<&'static str, usize> {
        &self.found
    }

    /// Why an item is not taken; none where it is.
    fn refuse(&mut self, item: &mut Item) -> Option<String> {
        let topic = item.about.as_deref().filter(|_| item.kind == Kind::Topic).unwrap_or_default();
        if item.text.trim().is_empty() && topic.trim().is_empty() {
            return Some(if item.kind == Kind::Topic { "it has no topic" } else { "it has no text" }.into());
        }
        if !item.text.trim().is_empty() {
            let prompt = || item.prompt.last().map(|turn| turn.content.as_str());
            // An answer may be a number: then its question tells the language.
            let language = detect(&item.text).or_else(|| prompt().and_then(detect));
            let short = item.kind == Kind::Answer || item.kind == Kind::Reasoning;
            match language {
                Some(language) => item.language = language,
                // Too few letters to tell: what the source says stands.
                None if short && !item.text.chars().any(char::is_alphabetic) => {}
                None => return Some("neither English nor Chinese".into()),
            }
        }
        if !self.rules.languages.contains(&item.language) {
            let name = match item.language {
                Language::En => "English",
                Language::Zh => "Chinese",
            };
            return Some(format!("it is {name}, which `languages` does not name"));
        }
        let least = if item.kind == Kind::Passage { self.rules.least_words } else { 0 };
        let lengths = Lengths { least_words: least, most_words: self.rules.most_words };
        if let Some(reason) = lengths.refuse(&item.text) {
            return Some(reason);
        }
        let body = if item.text.trim().is_empty() { topic } else { &item.text };
        let parts: Vec<&str> = item.prompt.iter().map(|turn| turn.content.as_str()).chain([body]).collect();
        if let Some(against) = &self.against {
            let worst =
                parts.iter().filter_map(|part| against.found(part)).reduce(|a, b| if b.0 > a.0 { b } else { a });
            if let Some((share, gram)) = worst {
                let gram = shortened(&gram);
                let (name, n, share) = (&self.name, self.rules.ngram, percent(share));
                return Some(format!("it has \"{gram}\" of the evaluation file {name} ({share} % of its {n}-grams)"));
            }
        }
        let Duplicate { of, similarity } = self.duplicates.add(&item.id, &parts.join("\n"))?;
        Some(match similarity {
            1.0 => format!("the same as `{of}`"),
            _ => format!("a near duplicate ({} %) of `{of}`", percent(similarity)),
        })
    }

    fn scrub(&mut self, item: &mut Item) {
        let prompts = item.prompt.iter_mut().map(|turn| &mut turn.content);
        for text in prompts.chain(item.about.as_mut()).chain([&mut item.text]) {
            let (scrubbed, kinds) = scrub(text);
            for (kind, count) in kinds {
                *self.found.entry(kind).or_default() += count;
            }
            if let Cow::Owned(scrubbed) = scrubbed {
                *text = scrubbed;
            }
        }
    }
}

/// A share in whole per cent; at least 1, because something was found.
fn percent(share: f64) -> u32 {
    ((share * 100.0).round() as u32).max(1)
}

fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests;
