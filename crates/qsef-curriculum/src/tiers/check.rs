//! Whether a reworded sentence may stand for its sentence.

use qsef_score::{complexity::complexity, text::words};

use crate::{
    facts::{Facts, added, lost, negation_added},
    item::Language,
    sentences::split,
};

/// What a rewording must not begin with: a model that refuses or speaks of itself.
const REFUSALS: [&str; 14] = [
    "i'm sorry",
    "i’m sorry",
    "i am sorry",
    "sorry,",
    "i cannot",
    "i can't",
    "i can’t",
    "as an ai",
    "as a language model",
    "sure,",
    "sure!",
    "here is",
    "抱歉",
    "对不起",
];

/// Whether a text is a refusal or talk about the task.
pub(crate) fn is_refusal(text: &str) -> bool {
    let lower = text.trim_start().to_lowercase();
    REFUSALS.iter().any(|begin| lower.starts_with(begin)) || lower.starts_with("作为一个人工智能")
}

/// A text as it is compared: letters, digits and the ends of sentences, in lower case. One that is cut into shorter sentences is
/// another.
pub(crate) fn plain(text: &str) -> String {
    let counts = |c: &char| c.is_alphanumeric() || matches!(c, '.' | '!' | '?' | '。' | '！' | '？');
    text.chars().filter(counts).flat_map(char::to_lowercase).collect()
}

/// One space for each white space, and a mark at the end where the sentence has one.
pub(crate) fn tidy(text: &str, of: &str) -> String {
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let marks = ['.', '!', '?', '…', '。', '！', '？', ':', '：', '"', '”', ')', '）', '」'];
    let end = of.trim_end().chars().next_back();
    if let Some(mark) = end.filter(|c| marks.contains(c))
        && !text.ends_with(marks)
        && !text.is_empty()
    {
        text.push(if matches!(mark, '"' | '”' | ')' | ':') { '.' } else { mark });
    }
    text
}

/// What a rewording of a sentence is compared with.
pub(crate) struct Compared<'a> {
    /// The sentence of the source.
    pub sentence: &'a str,
    /// Its facts.
    pub facts: &'a Facts,
    /// The facts of the whole source.
    pub context: &'a Facts,
    /// The language.
    pub language: Language,
}

impl Compared<'_> {
    /// Why a rewording cannot stand for the sentence; empty where it can.
    pub fn faults(&self, text: &str) -> Vec<String> {
        if text.trim().is_empty() {
            return vec!["it is empty".into()];
        }
        if is_refusal(text) && !is_refusal(self.sentence) {
            return vec!["it does not reword the sentence".into()];
        }
        let (long, most) = (words(text).len(), words(self.sentence).len() * 9 / 5 + 8);
        if long > most {
            return vec![format!("it has {long} words, and the sentence has {}", words(self.sentence).len())];
        }
        let mut said: Vec<String> = split(text).into_iter().map(|(sentence, _)| plain(sentence)).collect();
        let count = said.len();
        said.sort_unstable();
        said.dedup();
        if said.len() < count {
            return vec!["it says something twice".into()];
        }
        let facts = Facts::of(text, self.language);
        let mut faults: Vec<String> =
            lost(self.facts, &facts).into_iter().map(|fact| format!("it lacks {fact}")).collect();
        faults.extend(added(self.context, &facts).into_iter().map(|fact| format!("it adds {fact}")));
        if negation_added(self.facts, &facts) {
            faults.push("it adds a \"not\"".into());
        }
        faults
    }
}

/// How hard a sentence is to read, ≥ 0: the syntax and the words of `C_data`, without the parts that need a longer text.
pub(crate) fn hardness(text: &str) -> f64 {
    let c = complexity(text);
    (c.sentence_length + c.longest_sentence + c.clauses + c.phrases + c.depth) / 5.0 + c.long_words
}

/// Words of the longest sentence.
pub(crate) fn longest(text: &str) -> usize {
    split(text).into_iter().map(|(sentence, _)| words(sentence).len()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named() {
        let source = "The town of Iqaluit, which has 7,000 people, is not on any map.";
        let facts = Facts::of(source, Language::En);
        let compared = Compared { sentence: source, facts: &facts, context: &facts, language: Language::En };
        assert_eq!(
            compared.faults("Iqaluit is a town. It has 7,000 people. It is not on a map."),
            Vec::<String>::new()
        );
        let told = |text: &str| compared.faults(text).join("; ");
        assert!(told("Iqaluit is a town. It is not on a map.").contains("7,000"));
        assert!(told("It is a town of 7,000 people. It is not on a map.").contains("Iqaluit"));
        assert!(told("Iqaluit has 7,000 people. It is on a map.").contains("negation"));
        assert!(told("Iqaluit has 7,000 people and 12 dogs. It is not on a map.").contains("12"));
        assert!(told("I'm sorry, I cannot help with that.").contains("reword"));
        assert!(told("").contains("empty"));
        assert!(told("Iqaluit has 7,000 people. It is not on a map. It is not on a map.").contains("twice"));
        assert!(told(&"Iqaluit has 7,000 people not on a map. ".repeat(5)).contains("words"));
    }

    #[test]
    fn ends_have_marks_and_shorter_sentences_are_easier() {
        assert_eq!(tidy("It  is\nhere", "There it is."), "It is here.");
        assert_eq!(tidy("在这里", "它在这里。"), "在这里。");
        assert_eq!(tidy("a title", "A title"), "a title");
        let hard = "Although it had been considerably depleted, officials did not anticipate restrictions.";
        assert!(hardness(hard) > hardness("Much of it was gone. But officials did not think of limits."));
        assert_eq!(longest("One two. One two three."), 3);
    }
}
