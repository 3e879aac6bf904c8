//! Concepts and relations in what documents say.

mod chinese;
mod english;
mod model;
pub(crate) mod names;
mod phrase;
mod rules;

pub use model::{ExtractOptions, Extracted};
pub(crate) use names::normalise;
pub(crate) use rules::read;

/// The method that a relation was found by, as the base keeps it.
pub(crate) const RULES: &str = "rules";

/// What a concept is taken for.
pub(crate) const CONCEPT: &str = "concept";
pub(crate) const ENTITY: &str = "entity";

/// `X is_a Y`: the hierarchy of concepts.
pub(crate) const IS_A: &str = "is_a";
/// `X part_of Y`.
pub(crate) const PART_OF: &str = "part_of";
/// `X same_as Y`: two names of one thing.
pub(crate) const SAME_AS: &str = "same_as";
/// Two concepts that are told of together.
pub(crate) const RELATED: &str = "related_to";

/// A relation that a text tells of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoundRelation {
    pub subject: String,
    pub kind: String,
    pub object: String,
    /// How sure it is, in [0, 1].
    pub confidence: f32,
}

/// What a piece of text tells of.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Found {
    /// Names, and what they are taken for.
    pub concepts: Vec<(String, &'static str)>,
    pub relations: Vec<FoundRelation>,
}

impl Found {
    fn concept(&mut self, name: &str, kind: &'static str) {
        if !self.concepts.iter().any(|(known, _)| known == name) {
            self.concepts.push((name.to_owned(), kind));
        }
    }

    fn relation(&mut self, subject: &str, kind: &str, object: &str, confidence: f32) {
        if normalise(subject) != normalise(object) {
            let (subject, kind, object) = (subject.to_owned(), kind.to_owned(), object.to_owned());
            self.relations.push(FoundRelation { subject, kind, object, confidence });
        }
    }
}
