use std::collections::BTreeSet;

/// The numbers that a text contains, in a canonical spelling: thousands separators and needless zeros removed,
/// full-width digits and simple number words and numerals (one to twelve, 一 to 十) included.
pub(crate) fn numbers_in(text: &str) -> BTreeSet<String> {
    let text = ascii_digits(text);
    let mut found: BTreeSet<String> = regex!(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+")
        .find_iter(&text)
        .map(|number| canonical(number.as_str()))
        .collect();
    for word in regex!(r"[A-Za-z]+").find_iter(&text) {
        let word = word.as_str().to_ascii_lowercase();
        found.extend(WORDS.iter().filter(|(name, _)| *name == word).map(|(_, value)| (*value).to_owned()));
    }
    let chinese = "一二三四五六七八九十".chars().zip(1..).filter(|(c, _)| text.contains(*c));
    found.extend(chinese.map(|(_, value): (char, u32)| value.to_string()));
    found
}

const WORDS: &[(&str, &str)] = &[
    ("half", "2"),
    ("half", "0.5"),
    ("quarter", "4"),
    ("quarter", "0.25"),
    ("third", "3"),
    ("zero", "0"),
    ("one", "1"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
    ("eleven", "11"),
    ("twelve", "12"),
    ("dozen", "12"),
    ("hundred", "100"),
    ("thousand", "1000"),
    ("million", "1000000"),
    ("twice", "2"),
    ("double", "2"),
    ("triple", "3"),
    ("squared", "2"),
    ("cubed", "3"),
    ("percent", "100"),
];

/// One number in its canonical spelling.
pub(crate) fn canonical(number: &str) -> String {
    let number = number.replace(',', "");
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// Full-width digits, signs and letters as ASCII.
pub(crate) fn ascii_digits(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            '\u{3000}' | '\u{a0}' => ' ',
            _ => c,
        })
        .collect()
}

/// The numbers of `made` that `source` does not contain.
pub(crate) fn invented(made: &str, source: &str) -> Vec<String> {
    let known = numbers_in(source);
    regex!(r"\d+(?:\.\d+)?|\.\d+")
        .find_iter(made)
        .map(|number| canonical(number.as_str()))
        .filter(|number| !known.contains(number))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_value_not_by_spelling() {
        assert_eq!(invented("1000 * 0.50 + 3", "1,000 at .5, three times"), Vec::<String>::new());
        assert_eq!(invented("240 km * 16%", "15% of ２４０ km"), ["16"]);
        assert!(invented("2 hours", "两小时 二").is_empty());
        assert_eq!(numbers_in("").len(), 0);
    }
}
