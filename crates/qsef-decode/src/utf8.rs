/// Joins the bytes of tokens to whole characters: a character may be spread over several tokens.
#[derive(Default)]
pub(crate) struct Utf8Joiner(Vec<u8>);

impl Utf8Joiner {
    /// Adds bytes and returns the characters that are complete now; bytes that can begin no character become `U+FFFD`.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest: &[u8] = &self.0;
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    let Some(bad) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = rest.get(bad..).unwrap_or_default();
                }
            }
        }
        self.0 = rest.to_vec();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_splits_a_character() {
        let mut joiner = Utf8Joiner::default();
        let bytes = "a🦀é".as_bytes();
        let pieces: Vec<String> = bytes.iter().map(|b| joiner.push(&[*b])).collect();
        assert_eq!(pieces, ["a", "", "", "", "🦀", "", "é"]);
        assert_eq!(joiner.push(&[0xFF, b'x', 0xE2, 0x82]), "\u{FFFD}x");
        assert_eq!(joiner.push(&[0xAC]), "€");
    }
}
