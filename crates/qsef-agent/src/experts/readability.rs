use qsef_core::{ExpertCall, ExpertProfile, Payload};
use serde_json::json;
use unicode_segmentation::UnicodeSegmentation;

use super::{FnExpert, source::text_of};

/// An expert that measures how hard a text is to read. The Flesch measures hold for English only; for a text without
/// Latin letters they are left out.
pub fn readability(profile: ExpertProfile) -> FnExpert {
    FnExpert::new(profile, run)
}

fn run(call: &ExpertCall) -> Result<Payload, String> {
    let text = text_of(call)
        .ok_or("there is no text to measure: quote it, put it after a colon, or let an earlier step make it")?;
    let words: Vec<&str> = text.unicode_words().collect();
    let sentences = text.unicode_sentences().filter(|s| s.contains(char::is_alphanumeric)).count();
    if words.is_empty() || sentences == 0 {
        return Err("the text has no words".into());
    }
    let (count, per_sentence) = (words.len() as f64, words.len() as f64 / sentences as f64);
    let round = |x: f64| (x * 10.0).round() / 10.0;
    let mut result = json!({
        "words": words.len(), "sentences": sentences, "words_per_sentence": round(per_sentence),
    });
    let latin = words.iter().filter(|w| w.contains(|c: char| c.is_ascii_alphabetic())).count();
    if let Some(fields) = result.as_object_mut() {
        if latin * 2 > words.len() {
            let per_word = words.iter().map(|word| syllables(word)).sum::<usize>() as f64 / count;
            let ease = 206.835 - 1.015 * per_sentence - 84.6 * per_word;
            let grade = 0.39 * per_sentence + 11.8 * per_word - 15.59;
            fields.insert("flesch_reading_ease".into(), json!(round(ease)));
            fields.insert("flesch_kincaid_grade".into(), json!(round(grade)));
        } else {
            fields.insert("note".into(), json!("the Flesch measures are defined for English only"));
        }
    }
    Ok(Payload::json(result))
}

/// Groups of vowels, without a silent final e: the usual estimate for English.
fn syllables(word: &str) -> usize {
    let word = word.to_lowercase();
    let groups = regex!("[aeiouyàâäéèêëîïôöùûü]+").find_iter(&word).count();
    let silent = word.ends_with('e') && !regex!("[aeiouy]e$|[^aeiouy]le$").is_match(&word);
    groups.saturating_sub(usize::from(silent && groups > 1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn easy_text_scores_as_easier() {
        let measure = |text: &str| run(&ExpertCall::new(format!("Readability of: {text}"))).map(|p| p.value);
        let easy = measure("The cat sat on the mat. It was a big cat.").unwrap();
        let hard = measure(
            "Contemporary epistemological considerations necessitate extraordinarily sophisticated methodology.",
        )
        .unwrap();
        assert_eq!(easy["sentences"], 2);
        assert!(easy["flesch_reading_ease"].as_f64() > hard["flesch_reading_ease"].as_f64());
        assert!(easy["flesch_kincaid_grade"].as_f64() < hard["flesch_kincaid_grade"].as_f64());
        assert!(measure("今天天气很好。我们去公园。").unwrap().get("note").is_some());
        assert!(measure("...").is_err());
        assert!(run(&ExpertCall::new("")).is_err());
        assert_eq!(["table", "make", "reading", "the", "x"].map(syllables), [2, 1, 2, 1, 1]);
    }
}
