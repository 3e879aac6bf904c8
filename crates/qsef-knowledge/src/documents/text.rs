//! Text of bytes, whatever their encoding.

use std::borrow::Cow;

use chardetng::EncodingDetector;
use encoding_rs::Encoding;

/// How much of a text may be characters that no text has, before it is taken for something else.
const MOST_BROKEN: f64 = 0.05;

/// The text of a file: by its byte order mark, as UTF-8, or by the encoding that its bytes look like.
///
/// # Errors
/// For what is no text.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default());
        return checked(text);
    }
    if bytes.iter().take(8192).any(|b| *b == 0) {
        return Err("it is a binary file".into());
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return checked(Cow::Borrowed(text));
    }
    // Where only few bytes are broken, it is UTF-8 all the same.
    let lossy = String::from_utf8_lossy(bytes);
    let broken = lossy.chars().filter(|c| *c == char::REPLACEMENT_CHARACTER).count();
    let foreign = lossy.chars().filter(|c| !c.is_ascii() && *c != char::REPLACEMENT_CHARACTER).count();
    if broken * 4 <= foreign {
        return checked(lossy);
    }
    let mut detector = EncodingDetector::new();
    detector.feed(bytes, true);
    let (text, _, _) = detector.guess(None, false).decode(bytes);
    checked(text)
}

fn checked(text: Cow<'_, str>) -> Result<Cow<'_, str>, String> {
    let odd =
        |c: &char| *c == char::REPLACEMENT_CHARACTER || (c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}'));
    let (odd, all) = text.chars().take(65_536).fold((0u32, 0u32), |(o, n), c| (o + u32::from(odd(&c)), n + 1));
    if f64::from(odd) > MOST_BROKEN * f64::from(all) {
        return Err("it is a binary file, or its encoding is broken".into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_in_the_encodings_that_files_have() {
        assert_eq!(decode("naïve 知识".as_bytes()).unwrap(), "naïve 知识");
        assert_eq!(decode(b"\xef\xbb\xbfabc").unwrap(), "abc");
        assert_eq!(decode(b"\xff\xfea\0b\0").unwrap(), "ab");
        let chinese = "知识图谱是一种用图模型来描述知识和建模世界万物之间关联关系的技术方法。";
        let (gbk, _, _) = encoding_rs::GBK.encode(chinese);
        assert_eq!(decode(&gbk).unwrap(), chinese);
        assert_eq!(decode(b"caf\xe9 au lait, d\xe9j\xe0 vu").unwrap(), "café au lait, déjà vu");
        let mut cut = "知识图谱".repeat(9).into_bytes();
        cut.pop();
        assert!(decode(&cut).unwrap().starts_with("知识图"));
    }

    #[test]
    fn binary_files_are_none() {
        let noise: Vec<u8> = (0..4000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert!(decode(&noise).is_err());
        assert!(decode(b"\x7fELF\x02\x01\x01\0\0\0").is_err());
        assert!(decode(&[1u8; 100]).is_err());
        assert_eq!(decode(b"").unwrap(), "");
    }
}
