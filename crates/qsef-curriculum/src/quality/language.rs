//! Which of the languages of a curriculum a text is in.

use qsef_score::text::is_cjk;
use unicode_segmentation::UnicodeSegmentation;
use whatlang::{Lang, Script};

use crate::item::Language;

/// Words that nearly every English text has, and that are rare in other languages.
const ENGLISH: &[&str] = &[
    "the", "and", "is", "are", "of", "to", "was", "were", "with", "that", "this", "it", "what", "how", "why", "who",
    "which", "you", "your", "for", "from", "they", "there", "does", "do", "have", "has", "by", "be", "not", "can",
];

/// The share of them among the words of a text from which on it is English.
const SURELY: f64 = 0.25;

/// The language that most of a text is written in. None for another language, and for what is in none: digits, code, signs.
pub fn detect(text: &str) -> Option<Language> {
    let prose = prose(text);
    let (mut han, mut kana, mut letters) = (0usize, 0usize, 0usize);
    for c in prose.chars().filter(|c| c.is_alphabetic()) {
        match c {
            '\u{3040}'..='\u{30ff}' => kana += 1,
            c if is_cjk(c) => han += 1,
            _ => letters += 1,
        }
    }
    if kana * 10 > han {
        // Japanese has both.
        return if letters / 4 > han + kana { latin(&prose) } else { None };
    }
    // A Chinese character says about as much as four letters.
    if han * 4 >= letters && han > 0 { Some(Language::Zh) } else { latin(&prose) }
}

fn latin(prose: &str) -> Option<Language> {
    let words: Vec<String> =
        prose.unicode_words().filter(|w| w.chars().any(char::is_alphabetic)).map(str::to_lowercase).collect();
    let known = words.iter().filter(|word| ENGLISH.contains(&word.as_str())).count();
    let share = known as f64 / words.len().max(1) as f64;
    // No other language has so many, and trigrams take their time.
    if share >= SURELY {
        return Some(Language::En);
    }
    let info = whatlang::detect(prose)?;
    if info.script() != Script::Latin || words.is_empty() {
        return None;
    }
    let english = match info.lang() {
        // Short texts without any such word are as likely names or code.
        Lang::Eng => share > 0.0 || info.is_reliable(),
        // Trigrams of a few words mislead; function words do not.
        _ => share >= 0.1 && info.confidence() < 0.5,
    };
    english.then_some(Language::En)
}

/// A text without code and addresses, whose words are English in any language.
fn prose(text: &str) -> String {
    regex!(r"(?s)```.*?(?:```|\z)|`[^`\n]*`|https?://\S+|\S+@\S+|[\w.]*[_=(){}<>;/\\][\w.]*")
        .replace_all(text, " ")
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_apart() {
        for text in [
            "The ferret is a small animal that sleeps for fourteen hours a day.",
            "What is photosynthesis?",
            "How do I sort a list in Python? Use `sorted(items)`.",
            "The word 你好 means hello in Chinese, and it is used every day.",
            "Machine learning models need large datasets to generalise well.",
        ] {
            assert_eq!(detect(text), Some(Language::En), "{text}");
        }
        for text in [
            "北京是中国的首都。",
            "什么是机器学习？",
            "臺灣的夜市很有名。",
            "我们用 Python 和 PyTorch 训练神经网络 model。",
        ] {
            assert_eq!(detect(text), Some(Language::Zh), "{text}");
        }
        for text in [
            "",
            "12345 67.8",
            "```\nfor i in range(3): print(i)\n```",
            "Das Wetter ist heute sehr schön, und wir gehen in den Park.",
            "De kat zit op de tafel en eet een appel, want het is heel koud of nat buiten.",
            "Le chat est sur la table et il mange une pomme.",
            "El perro come la comida en la cocina de la casa.",
            "これは日本語の文章です。漢字も使います。",
            "Это предложение написано на русском языке.",
            "이것은 한국어 문장입니다.",
        ] {
            assert_eq!(detect(text), None, "{text}");
        }
    }
}
