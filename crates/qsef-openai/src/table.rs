//! What models cost and can do.

use std::collections::HashMap;

use qsef_core::{Modality, Price};
use serde::{Deserialize, Deserializer, de::Error as _};

/// What a model costs and can do.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelFacts {
    /// US dollars per 10⁶ tokens of the prompt.
    #[serde(deserialize_with = "price")]
    pub input: f64,
    /// US dollars per 10⁶ tokens of the prompt whose state the server reuses; as `input` where not given.
    #[serde(deserialize_with = "some_price")]
    pub cached: Option<f64>,
    /// US dollars per 10⁶ tokens generated.
    #[serde(deserialize_with = "price")]
    pub output: f64,
    /// The most tokens that prompt and answer may have together.
    pub context_tokens: Option<usize>,
    /// What messages may contain; text where not given.
    pub accepts: Option<Vec<Modality>>,
}

fn price<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let price = f64::deserialize(from)?;
    let is_one = price.is_finite() && price >= 0.0;
    is_one.then_some(price).ok_or_else(|| D::Error::custom("a price must be a number of at least 0"))
}

fn some_price<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    price(from).map(Some)
}

impl ModelFacts {
    pub(crate) fn price(&self) -> Price {
        Price { input: self.input, cached: self.cached.unwrap_or(self.input), output: self.output }
    }
}

/// Models by name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Table(HashMap<String, ModelFacts>);

impl Table {
    /// The table that comes with the crate.
    pub fn builtin() -> Self {
        // The tests read it, too.
        toml::from_str(include_str!("../models.toml")).unwrap_or_default()
    }

    pub fn of(name: &str, facts: ModelFacts) -> Self {
        Self(HashMap::from([(name.to_owned(), facts)]))
    }

    /// This table, with what the other says in its place.
    pub fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// What is known of a model: of its own name, or of the name that its dated versions go by (`gpt-4o` for
    /// `gpt-4o-2024-08-06`).
    pub fn facts(&self, name: &str) -> ModelFacts {
        let undated = name.char_indices().rev().nth(10).and_then(|(at, _)| {
            let (base, date) = name.split_at(at);
            let digits =
                date.chars().enumerate().all(|(i, c)| matches!((i, c), (0 | 5 | 8, '-') | (1..=10, '0'..='9')));
            digits.then_some(base)
        });
        self.0.get(name).or_else(|| self.0.get(undated?)).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_and_dated_names_are_found() {
        let table = Table::builtin();
        assert!(table.0.len() > 10);
        assert_eq!(table.facts("gpt-4o-2024-08-06"), table.facts("gpt-4o"));
        assert_eq!(table.facts("gpt-4o").price().output, 10.0);
        assert_eq!(table.facts("gpt-4o-2024-08-0x"), ModelFacts::default());
        assert_eq!(table.facts("my-own"), ModelFacts::default());
        for (name, facts) in &table.0 {
            assert!(facts.input > 0.0 && facts.cached.is_none_or(|cached| cached < facts.input), "{name}");
        }
    }
}
