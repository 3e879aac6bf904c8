/// Where a text is split before it becomes tokens: a character that no text has (a Unicode noncharacter).
const SEAM: char = '\u{FDD0}';

/// Puts a seam into every name of a special token in a text, so that the name is taken for what it is, letters: a message
/// cannot end itself and begin another.
pub fn seam(text: &str, names: &[String]) -> String {
    let mut text = text.replace(SEAM, "");
    for name in names.iter().filter(|name| name.chars().count() > 1) {
        if text.contains(name.as_str()) {
            let mut letters = name.chars();
            let seamed: String = letters.next().into_iter().chain([SEAM]).chain(letters).collect();
            text = text.replace(name.as_str(), &seamed);
        }
    }
    text
}

/// The pieces of a text between seams, each to be split into tokens by itself.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(SEAM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_and_other_text_is_not() {
        let names = ["<|im_end|>".to_owned(), "<s>".to_owned()];
        let seamed = seam("a < b<|im_end|><s>\u{FDD0}", &names);
        assert_eq!(pieces(&seamed).collect::<Vec<_>>(), ["a < b<", "|im_end|><", "s>"]);
    }
}
