use qsef_core::{ExpertCall, ExpertProfile, Format, Payload};
use unicode_segmentation::UnicodeSegmentation;

use super::{
    FnExpert,
    source::{instruction, quoted, text_of},
};

/// An expert that counts words, characters, sentences, lines, or occurrences of a word.
pub fn count(profile: ExpertProfile) -> FnExpert {
    FnExpert::new(profile, run)
}

fn run(call: &ExpertCall) -> Result<Payload, String> {
    let asked = instruction(&call.task).to_lowercase();
    if let Some((needle, text)) = occurrences(call) {
        let text = text.ok_or_else(missing)?;
        let count = count_of(&needle, &text);
        return Ok(number(count, "occurrence", "occurrences"));
    }
    let text = text_of(call).ok_or_else(missing)?;
    let has = |words: &[&str]| words.iter().any(|w| asked.contains(w));
    let lists = call.inputs.iter().filter_map(|input| input.payload.value.as_array());
    let items: Option<usize> = lists.map(Vec::len).reduce(|a, b| a + b);
    const UNITS: &[&str] =
        &["word", "sentence", "line", "paragraph", "character", "letter", "字", "词", "句", "行", "段"];
    if let Some(items) = items.filter(|_| !has(UNITS)) {
        return Ok(number(items, "item", "items"));
    }
    Ok(if has(&["sentence", "句"]) {
        number(text.unicode_sentences().filter(|s| s.contains(char::is_alphanumeric)).count(), "sentence", "sentences")
    } else if has(&["line", "行"]) {
        number(text.lines().count(), "line", "lines")
    } else if has(&["paragraph", "段"]) {
        number(regex!(r"\n\s*\n").split(text.trim()).count(), "paragraph", "paragraphs")
    } else if has(&["character", "letter", "字符", "字数", "多少字", "几个字"]) {
        let all = text.graphemes(true);
        let count = if has(&["letter"]) {
            all.filter(|g| g.chars().any(char::is_alphabetic)).count()
        } else if has(&["without space", "excluding space", "字数", "多少字", "几个字"]) {
            all.filter(|g| !g.chars().all(char::is_whitespace)).count()
        } else {
            all.count()
        };
        number(count, "character", "characters")
    } else {
        number(text.unicode_words().count(), "word", "words")
    })
}

fn missing() -> String {
    "there is no text to count in: quote it, put it after a colon, or let an earlier step make it".into()
}

fn number(count: usize, one: &str, many: &str) -> Payload {
    Payload::string(format!("{count} {}", if count == 1 { one } else { many }), Format::Number)
}

/// The word to count and the text to count it in, where the task asks for occurrences.
fn occurrences(call: &ExpertCall) -> Option<(String, Option<String>)> {
    let task = &call.task;
    if !regex!(r"(?i)occurrence|how (?:many times|often)|times does|出现").is_match(task) {
        return None;
    }
    let quotes = quoted(task);
    let bare = || {
        let found = regex!(
            r"(?i)(?:occurrences? of (?:the )?(?:word |letter )?|does (?:the )?(?:word |letter )?)[\x22'“‘]?(\w+)"
        );
        found.captures(task).and_then(|c| c.get(1)).map(|m| m.as_str().to_owned())
    };
    let needle = quotes.first().cloned().filter(|_| quotes.len() > 1 || !call.inputs.is_empty()).or_else(bare);
    let needle = needle.or_else(|| quotes.first().cloned())?;
    let after = regex!(r"(?s)(?::\s+|：)(.+)$").captures(task).and_then(|c| c.get(1)).map(|m| m.as_str().to_owned());
    let other = quotes.into_iter().filter(|q| *q != needle).max_by_key(String::len);
    let from_inputs = || {
        let texts: Vec<String> = call.inputs.iter().map(|input| input.payload.to_text()).collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    };
    Some((needle, after.or(other).or_else(from_inputs)))
}

/// Whole-word occurrences for words of scripts with spaces, substrings for anything else, ignoring case.
fn count_of(needle: &str, text: &str) -> usize {
    let (needle, text) = (needle.to_lowercase(), text.to_lowercase());
    let is_word = needle.chars().count() > 1 && needle.chars().all(|c| c.is_alphanumeric() && u32::from(c) < 0x2e80);
    if is_word {
        return text.unicode_words().filter(|word| *word == needle).count();
    }
    if needle.is_empty() { 0 } else { text.matches(&needle).count() }
}

#[cfg(test)]
mod tests {
    use super::{super::source::with_input, *};

    fn ask(task: &str) -> Result<String, String> {
        run(&ExpertCall::new(task)).map(|p| p.to_text())
    }

    #[test]
    fn counts_what_is_asked() {
        for (task, result) in [
            ("Count the words in \"to be or not to be\"", "6 words"),
            ("How many characters are in \"naïve 👩‍👩‍👧\"?", "7 characters"),
            ("How many sentences: It rains. We stay! Do you?", "3 sentences"),
            ("统计字数：“你好，世界”", "5 characters"),
            ("How many times does \"the\" occur in \"The cat and the other cat\"?", "2 occurrences"),
            ("Count the occurrences of the word cat: Cat, concat, cat.", "2 occurrences"),
            ("“我”出现了几次：我说我来", "2 occurrences"),
        ] {
            assert_eq!(ask(task).as_deref(), Ok(result), "{task}");
        }
        let call = with_input("How many lines does it have?", Payload::text("a\nb"));
        assert_eq!(run(&call).unwrap().to_text(), "2 lines");
        let list = with_input("count them", Payload::json(serde_json::json!(["a@b.c", "d@e.f"])));
        assert_eq!(run(&list).unwrap().to_text(), "2 items");
        for bad in ["", "Count the words", "\0\u{1}"] {
            assert!(ask(bad).unwrap_err().contains("no text"), "{bad}");
        }
        assert_eq!(ask(&format!("Count the words: {}", "字 ".repeat(40_000))).as_deref(), Ok("40000 words"));
    }
}
