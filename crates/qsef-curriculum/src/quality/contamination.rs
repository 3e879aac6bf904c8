//! Texts of evaluation sets, which must not be trained on, by their n-grams.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader},
    path::Path,
};

use qsef_core::{Error, Result};
use qsef_score::text::is_cjk;
use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation;
use xxhash_rust::xxh3::Xxh3;

/// The n-grams of an evaluation file.
#[derive(Debug, Clone)]
pub struct Contamination {
    n: usize,
    grams: HashSet<u64>,
    /// Texts that are shorter than an n-gram, as a whole, and how many words they have.
    short: HashSet<u64>,
    lengths: Vec<usize>,
}

/// The fewest words of a text that is looked for: fewer are in many texts.
const LEAST: usize = 5;

impl Contamination {
    /// Reads an evaluation file: every string in rows of JSON lines, or the paragraphs of a plain text. `n` is the number of
    /// words of an n-gram (13 is usual; at least 5), and half the number of characters in Chinese. What is shorter than
    /// an n-gram is looked for as a whole, if it has at least 5 words.
    ///
    /// # Errors
    /// [`Error::File`] with the line for a row that is no JSON in a file of JSON lines, and [`Error::Io`] for a file that
    /// cannot be read.
    pub fn read(path: &Path, n: usize) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(|e| Error::io("read", path, e))?;
        let mut found = Self { n: n.max(LEAST), grams: HashSet::new(), short: HashSet::new(), lengths: Vec::new() };
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
        let mut json = matches!(extension.as_str(), "jsonl" | "ndjson" | "json");
        let mut paragraph = String::new();
        for (number, line) in BufReader::new(file).lines().enumerate() {
            let fail =
                |message: String| Error::File { path: path.into(), line: Some(number + 1), field: None, message };
            let line = line.map_err(|e| match e.kind() {
                std::io::ErrorKind::InvalidData => fail("it is not UTF-8; save the file as UTF-8".into()),
                _ => Error::io("read", path, e),
            })?;
            let row = line.trim_start_matches('\u{feff}').trim();
            json |= number == 0 && serde_json::from_str::<Value>(row).is_ok_and(|row| row.is_object());
            if row.is_empty() {
                found.take(&std::mem::take(&mut paragraph));
            } else if json {
                let value = serde_json::from_str(row);
                let value: Value =
                    value.map_err(|e| fail(format!("it is no JSON: {e}; one row on each line is needed")))?;
                found.strings(&value, 0);
            } else {
                paragraph.push_str(row);
                paragraph.push('\n');
            }
        }
        found.take(&paragraph);
        found.lengths.sort_unstable();
        found.lengths.dedup();
        Ok(found)
    }

    /// The share of the text's n-grams that the file has, in (0, 1], and the first of them as the text writes it. A text that
    /// holds a short one of the file as a whole has at least one.
    pub fn found(&self, text: &str) -> Option<(f64, String)> {
        let words = Words::of(text);
        let size = words.size(self.n);
        let (mut all, mut hits, mut first) = (0usize, 0usize, None::<(usize, usize)>);
        for (at, window) in words.windows(size).enumerate() {
            all += 1;
            if self.grams.contains(&hash(window)) {
                hits += 1;
                first = first.or(Some((at, size)));
            }
        }
        for length in &self.lengths {
            let hit = words.windows(*length).position(|window| self.short.contains(&hash(window)));
            if let Some(at) = hit {
                hits += usize::from(hits == 0);
                first = first.filter(|(before, _)| *before <= at).or(Some((at, *length)));
            }
        }
        let (at, size) = first?;
        // Chinese counts in characters; a text shorter than an n-gram is one.
        Some((hits as f64 / all.max(1) as f64, words.between(text, at, size)))
    }

    fn strings(&mut self, value: &Value, depth: usize) {
        match value {
            Value::String(text) => self.take(text),
            Value::Array(items) if depth < 100 => items.iter().for_each(|item| self.strings(item, depth + 1)),
            Value::Object(fields) if depth < 100 => fields.values().for_each(|field| self.strings(field, depth + 1)),
            _ => {}
        }
    }

    fn take(&mut self, text: &str) {
        let words = Words::of(text);
        let size = words.size(self.n);
        if words.folded.len() >= size {
            self.grams.extend(words.windows(size).map(hash));
        } else if words.folded.len() >= words.size(LEAST) {
            self.lengths.push(words.folded.len());
            self.short.insert(hash(&words.folded));
        }
    }
}

/// The words of a text, or for a Chinese one its characters and the words between them.
struct Words {
    folded: Vec<String>,
    starts: Vec<(usize, usize)>,
    chinese: bool,
}

impl Words {
    fn of(text: &str) -> Self {
        let (mut folded, mut starts, mut characters) = (Vec::new(), Vec::new(), 0);
        for (start, word) in text.unicode_word_indices() {
            characters += usize::from(word.chars().next().is_some_and(is_cjk));
            folded.push(word.to_lowercase());
            starts.push((start, start + word.len()));
        }
        let chinese = characters * 2 > folded.len();
        Self { folded, starts, chinese }
    }

    /// How many of them are as much as `n` words.
    fn size(&self, n: usize) -> usize {
        if self.chinese { 2 * n } else { n }
    }

    fn windows(&self, size: usize) -> std::slice::Windows<'_, String> {
        self.folded.windows(size.max(1))
    }

    /// The text of some of them.
    fn between(&self, text: &str, at: usize, size: usize) -> String {
        let start = self.starts.get(at).map_or(0, |(start, _)| *start);
        let end = self.starts.get(at + size - 1).map_or(text.len(), |(_, end)| *end);
        text.get(start..end).unwrap_or_default().to_owned()
    }
}

fn hash(words: &[String]) -> u64 {
    let mut hasher = Xxh3::new();
    for word in words {
        hasher.update(word.as_bytes());
        hasher.update(b" ");
    }
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str, n: usize) -> Result<Contamination> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        Contamination::read(&path, n)
    }

    const QUESTION: &str =
        "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May.";

    #[test]
    fn strings_of_rows_are_found_in_texts() {
        let row =
            serde_json::json!({"question": QUESTION, "meta": {"list": ["Which planet is nearest the sun?"]}, "n": 3});
        let found = read("eval.jsonl", &format!("{row}\n\n{row}\n"), 13).expect("read");
        let (share, gram) = found.found(&QUESTION.to_uppercase()).expect("all of it");
        assert_eq!(share, 1.0);
        assert!(gram.starts_with("NATALIA SOLD") && gram.ends_with("AND THEN SHE"), "{gram}");
        let text = format!("Here is something else that was written before it, and it goes on. {QUESTION}");
        let (share, gram) = found.found(&text).expect("a part");
        assert!(share > 0.2 && share < 0.9 && gram.starts_with("Natalia"), "{share} {gram}");
        let (_, gram) = found.found("Tell me: which planet is nearest the Sun? I forgot.").expect("a short one");
        assert_eq!(gram, "which planet is nearest the Sun");
        assert_eq!(found.found("Natalia sold clips to 48 of her friends in April."), None);
        assert_eq!(found.found(""), None);
    }

    #[test]
    fn plain_text_is_read_by_paragraphs() {
        let found =
            read("eval.txt", "The first line of a long text that goes\non in the next line.\n\nTwo words.\n", 8)
                .expect("read");
        assert!(found.found("the first line of a long text that goes on in the next line").is_some());
        assert!(found.found("two words").is_none());
    }

    #[test]
    fn chinese_is_counted_by_characters() {
        let question = "小明有十二个苹果，他给了小红五个苹果，又买了三个苹果，请问他现在一共有多少个苹果？";
        let found =
            read("eval.jsonl", &serde_json::json!({"q": question, "a": "人工智能"}).to_string(), 5).expect("read");
        assert!(found.found(&format!("题目：{question}")).is_some());
        assert!(found.found("小明有十二个梨，他吃了。人工智能很有用。").is_none());
    }

    #[test]
    fn a_bad_row_is_told_by_its_line() {
        let error = read("eval.jsonl", "{\"a\": \"b\"}\n{oops\n", 13).expect_err("no JSON").to_string();
        assert!(error.contains("eval.jsonl:2:"), "{error}");
        let missing = Contamination::read(Path::new("/nowhere/eval.jsonl"), 13).expect_err("missing");
        assert!(matches!(missing, Error::Io { .. }));
    }
}
