//! What answers the curriculum's prompts by rule: the same words in shorter sentences. For the stub endpoint and for tests.

use serde_json::{Map, Value, json};

/// The answer to a request, by the properties that its schema asks for and what the user said last.
pub fn answer(properties: &Map<String, Value>, user: &str) -> Value {
    if properties.contains_key("analogies") {
        return json!({"analogies": ["It is like a full jar.", "It is like a warm bath.", "It is like a big bag."]});
    }
    if properties.contains_key("question") {
        let words = user.split_whitespace().filter(|word| word.chars().all(char::is_alphabetic));
        let longest = words.max_by_key(|word| word.len()).unwrap_or("it");
        return json!({"question": format!("What is known about {longest}?")});
    }
    if properties.contains_key("same") {
        return json!({"same": "yes"});
    }
    let most = user.rsplit("At most ").next().and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(8);
    let lines = user.lines().filter_map(|line| line.split_once(". "));
    let asked = lines.filter(|(key, _)| properties.contains_key(*key));
    Value::Object(asked.map(|(key, sentence)| (key.to_owned(), shorter(sentence, most).into())).collect())
}

/// The same words in sentences of at most so many, without the commas between.
fn shorter(sentence: &str, most: usize) -> String {
    let words: Vec<&str> = sentence.split_whitespace().collect();
    let parts = words.chunks(most.max(2)).map(|part| {
        let part = part.join(" ");
        let part = part.trim_end_matches(['.', ',', ';']).replace([',', ';'], "");
        let mut letters = part.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        format!("{first}{}.", letters.as_str())
    });
    parts.collect::<Vec<_>>().join(" ")
}
