//! Reading by rules: no model, the same result each time.

use super::{CONCEPT, ENTITY, Found, PART_OF, RELATED, SAME_AS, chinese, english, names};
use crate::{chunk::Chunk, documents::DocumentKind};
use qsef_score::text::is_cjk;

/// The most concepts and relations of one piece: what names more is a list, and none of it is told of.
const MOST: usize = 24;

/// The most pairs of concepts of a sentence that are related for standing in it together.
const PAIRS: usize = 3;

/// The concepts and relations of a piece of a document. Code and tables tell of none: their words are no sentences.
pub(crate) fn read(chunk: &Chunk, kind: DocumentKind) -> Found {
    let mut found = Found::default();
    if matches!(kind, DocumentKind::Code | DocumentKind::Csv | DocumentKind::Jsonl) {
        return found;
    }
    let headings: Vec<&str> = chunk.heading.split(" › ").filter(|h| is_topic(h)).collect();
    let mut headings = headings.into_iter().rev();
    let topic = headings.next();
    if let Some(topic) = topic {
        found.concept(topic, CONCEPT);
        if let Some(above) = headings.next() {
            found.concept(above, CONCEPT);
            found.relation(topic, PART_OF, above, 0.4);
        }
    }
    let prose = without_code(&chunk.text);
    for sentence in sentences(&prose) {
        let marked = marked(sentence, &mut found);
        for (i, a) in marked.iter().enumerate() {
            for b in marked.iter().skip(i + 1).take(PAIRS.saturating_sub(i)) {
                found.relation(a, RELATED, b, 0.3);
            }
        }
        if let (Some(topic), Some(first)) = (topic, marked.first()) {
            found.relation(first, RELATED, topic, 0.3);
        }
        acronyms(sentence, &mut found);
        let bare = sentence.replace(['*', '`', '_', '[', ']', '"', '“', '”'], "");
        if bare.chars().any(is_cjk) {
            chinese::read(&bare, &mut found);
        } else {
            // An aside is no part of the sentence.
            english::read(&regex!(r"\s*\([^)]*\)").replace_all(&bare, ""), &mut found);
        }
        if found.relations.len() >= MOST {
            break;
        }
    }
    found.relations.retain(|r| !names::normalise(&r.subject).is_empty() && !names::normalise(&r.object).is_empty());
    found.relations.truncate(MOST);
    found.concepts.retain(|(name, _)| !names::normalise(name).is_empty());
    found.concepts.truncate(MOST);
    found
}

/// Whether a heading is the name of something.
fn is_topic(heading: &str) -> bool {
    let words = heading.split_whitespace().count();
    (1..=5).contains(&words) && heading.chars().count() <= 40 && !heading.contains(['.', '?', ':', '/', '=', '<'])
}

/// The text without its blocks of code and its tables' rules.
fn without_code(text: &str) -> String {
    let mut inside = false;
    let mut prose = String::with_capacity(text.len());
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside && !line.starts_with("    ") && !line.trim_start().starts_with('|') {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// The sentences of a text; list items and paragraphs end them, too.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let ends = regex!(r"[.!?][)”\x22]?(?:\s+|$)|[。！？；]|\n\s*(?:[-*+•]|\d+[.)])\s+|\n\s*\n|\n#");
    ends.split(text).map(str::trim).filter(|s| s.len() > 5)
}

/// What a sentence marks as a name: bold, code, quoted titles, and words that are capitalised within it.
fn marked(sentence: &str, found: &mut Found) -> Vec<String> {
    let mut marked = Vec::new();
    let pattern = regex!(
        r"\*\*([^*\n]{2,50})\*\*|`([\p{L}_][\p{L}\d_ :+#-]{1,40})`|[「『《]([^」』》\n]{2,24})[」』》]|(?:[\p{Ll}\d,)]\s)((?:\p{Lu}[\p{L}\d-]+\s){0,3}\p{Lu}[\p{L}\d-]+)"
    );
    for captures in pattern.captures_iter(sentence) {
        let entity = captures.get(4).is_some();
        let Some(name) = captures.iter().skip(1).flatten().next() else { continue };
        let name = name.as_str().trim_matches(|c: char| c == ':' || c.is_whitespace());
        if name.split_whitespace().count() <= 4 && name.chars().filter(|c| c.is_alphabetic()).count() > 2 {
            found.concept(name, if entity { ENTITY } else { CONCEPT });
            marked.push(name.to_owned());
        }
    }
    marked.truncate(PAIRS + 1);
    marked
}

/// "transmission efficiency (TE)": two names of one thing, where the letters are the words' first.
fn acronyms(sentence: &str, found: &mut Found) {
    for captures in regex!(r"((?:[\p{L}-]+\s+){2,6})\((\p{Lu}[\p{Lu}\d]{1,6})\)").captures_iter(sentence) {
        let (Some(words), Some(short)) = (captures.get(1), captures.get(2)) else { continue };
        let words: Vec<&str> = words.as_str().split([' ', '-', '\n']).filter(|w| !w.is_empty()).collect();
        let letters = short.as_str().chars().count();
        let Some(last) = words.get(words.len().saturating_sub(letters)..) else { continue };
        let first: String = last.iter().filter_map(|w| w.chars().next()).flat_map(char::to_uppercase).collect();
        if first == short.as_str() {
            let long = last.join(" ");
            found.concept(&long, CONCEPT);
            found.relation(&long, SAME_AS, short.as_str(), 0.9);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    #[test]
    fn a_piece_tells_of_its_topic_and_of_what_it_marks() {
        let text = "The **registry** holds experts. It computes the transmission efficiency (TE) with `Scorer`, as Ada Lovelace did.\n\n\
                    ```\nlet x is a y;\n```\n- A planner is a model.";
        let chunk = Chunk { place: Place::Lines(1, 9), heading: "Guide › Routing".into(), text: text.into() };
        let found = read(&chunk, DocumentKind::Markdown);
        let names: Vec<&str> = found.concepts.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(names, ["Routing", "Guide", "registry", "Scorer", "Ada Lovelace", "transmission efficiency"]);
        let said: Vec<String> =
            found.relations.iter().map(|r| format!("{} {} {}", r.subject, r.kind, r.object)).collect();
        for expected in [
            "Routing part_of Guide",
            "transmission efficiency same_as TE",
            "planner is_a model",
            "Scorer related_to Ada Lovelace",
            "registry related_to Routing",
        ] {
            assert!(said.iter().any(|s| s == expected), "{expected} in {said:?}");
        }
        assert!(!said.iter().any(|s| s.contains("is_a y")));
        assert_eq!(read(&chunk, DocumentKind::Code), Found::default());
    }
}
