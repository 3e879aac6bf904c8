use qsef_score::text::{head, quoted, terms};
use serde::Serialize;

use super::clauses::{Clause, clauses, is_statement};

/// What a request contains, read from its surface (paper, section 4.2, step 1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Analysis {
    /// Names, quotations, numbers and addresses, in order.
    pub entities: Vec<String>,
    /// Stems of the words that carry the topic, sorted.
    pub concepts: Vec<String>,
    /// The action that each clause asks for.
    pub intents: Vec<String>,
    /// The parts of the request that may each be a step, in its own words.
    pub clauses: Vec<String>,
    /// What the request only tells, and so what its steps may have to know.
    pub remarks: Vec<String>,
    #[serde(skip)]
    pub(crate) places: Vec<Clause>,
}

/// Reads a request.
pub fn analyse(request: &str) -> Analysis {
    let places = clauses(request);
    let texts = || places.iter().map(|c| c.text.clone());
    Analysis {
        entities: entities(request),
        concepts: terms(request).into_iter().collect(),
        intents: texts().map(|c| head(&c)).collect(),
        clauses: texts().collect(),
        remarks: places.iter().filter(|c| is_statement(c)).map(|c| c.text.clone()).collect(),
        places,
    }
}

fn entities(request: &str) -> Vec<String> {
    let mut entities: Vec<String> = quoted(request).into_iter().map(str::to_owned).collect();
    let mut first_of_sentence = true;
    for word in request.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '%' && c != '+');
        let name = bare.chars().next().is_some_and(char::is_uppercase) && !first_of_sentence && bare != "I";
        let number = bare.chars().any(|c| c.is_ascii_digit());
        let address = bare.contains('@') || bare.contains("://");
        if (name || number || address) && !bare.is_empty() && !entities.iter().any(|e| e.contains(bare)) {
            entities.push(bare.to_owned());
        }
        first_of_sentence = word.ends_with(['.', '!', '?', ':']);
    }
    entities
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_names_numbers_and_quotations() {
        let analysis = analyse("Write to ann@example.com about 'the plan' in Paris on 3 May. My flight is late.");
        assert_eq!(analysis.entities, ["the plan", "ann@example.com", "Paris", "3", "May"]);
        assert_eq!(analysis.intents[0], "Write to ann example.com");
        assert_eq!(analysis.remarks, ["My flight is late"]);
    }
}
