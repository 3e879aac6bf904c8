use std::{collections::BTreeSet, ops::Range};

/// The words of scripts that put spaces between them.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    regex!(r"[\p{L}\p{M}\p{N}_--\p{Han}\p{Hiragana}\p{Katakana}]+").find_iter(text).map(|word| word.as_str())
}

/// Addresses and identifiers: what has an `@`, `://`, an underscore, letters with digits, or a capital inside.
pub(super) fn identifiers(text: &str) -> Vec<(Range<usize>, String)> {
    let pattern = regex!(
        r#"(?x)https?://[^\s<>"'`)\]，。]+ | [\w.+%-]+@[\w-]+(?:\.[\w-]+)+
        | \b[A-Za-z]\w*(?:-\w+|[./]+[A-Za-z]\w*)* | \b\d+[A-Za-z_]\w*(?:-\w+)*"#
    );
    let found = pattern.find_iter(text).filter(|found| is_identifier(found.as_str()));
    found.map(|found| (found.range(), found.as_str().trim_end_matches(['.', ',']).to_owned())).collect()
}

fn is_identifier(token: &str) -> bool {
    if !token.is_ascii() {
        return token.contains('@') || token.contains("://");
    }
    let letters = token.chars().any(|c| c.is_ascii_alphabetic());
    let digits = token.chars().any(|c| c.is_ascii_digit());
    // "36km" is an amount with its unit, not an identifier.
    let amount = regex!(r"^\d+[A-Za-zµ]{1,3}$").is_match(token);
    let camel = regex!(r"[a-z][A-Z]").is_match(token);
    token.contains(['_', '@']) || token.contains("://") || (letters && digits && !amount) || camel
}

/// Words that begin sentences with a capital and are no names.
const OPENERS: &[&str] = &[
    "a", "an", "and", "as", "at", "all", "also", "are", "because", "both", "but", "by", "can", "do", "does", "each",
    "for", "from", "he", "here", "how", "however", "i", "if", "in", "is", "it", "its", "many", "most", "my", "no",
    "not", "of", "on", "one", "or", "our", "please", "she", "so", "some", "that", "the", "their", "then", "there",
    "these", "they", "this", "those", "to", "use", "we", "what", "when", "where", "which", "who", "why", "with", "yes",
    "you", "your", "never", "none", "nothing", "true", "false", "today", "after", "before", "since", "while",
];

/// Words with a capital, as people, places and products have them.
pub(super) fn names(text: &str) -> BTreeSet<String> {
    let capital = |word: &&str| word.chars().next().is_some_and(char::is_uppercase) && word.chars().count() > 1;
    let candidates = words(text).filter(capital);
    candidates.filter(|word| !OPENERS.contains(&word.to_lowercase().as_str())).map(str::to_owned).collect()
}

/// Chinese names by their marks: quotation marks, endings of places and institutions, titles of persons.
pub(super) fn chinese(text: &str) -> BTreeSet<String> {
    if !text.contains(|c: char| u32::from(c) >= 0x3000) {
        return BTreeSet::new();
    }
    let marked = regex!(r"《([^》]{1,40})》|「([^」]{1,40})」|“([^”]{1,40})”");
    let mut found: BTreeSet<String> = marked
        .captures_iter(text)
        .filter_map(|c| c.iter().skip(1).flatten().next())
        .map(|m| m.as_str().to_owned())
        .collect();
    // Characters that stand between words and begin no name keep what is before them out.
    const PART: &str =
        r"[\p{Han}--[的了是在从到去和与及或于对把被给向由为以及而且但也就都还很这那他她它我你们有着过将请说来往跟同]]";
    let ending = regex!(&format!(
        r"{PART}{{2,4}}(?:有限公司|公司|集团|大学|学院|银行|医院|博物馆|省|市|县|区|路|街|山|河|江|湖|岛|寺)"
    ));
    let title = regex!(&format!(r"({PART}{{1,3}})(?:先生|女士|小姐|教授|博士|老师|经理|总统|主席|医生)"));
    found.extend(ending.find_iter(text).map(|m| m.as_str().to_owned()));
    found.extend(title.captures_iter(text).filter_map(|c| Some(c.get(1)?.as_str().to_owned())));
    found
}
