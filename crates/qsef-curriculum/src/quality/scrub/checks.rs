//! What tells a number that names a person or an account from any other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Around;

/// Whether neither a digit nor a letter, nor a point or hyphen that goes on with digits, stands at either end.
fn stands_alone(around: &Around<'_>) -> bool {
    let mut before = around.before.chars().rev();
    let first = before.next().unwrap_or(' ');
    let joined = matches!(first, '.' | '-' | '/' | ',') && before.next().is_some_and(|c| c.is_ascii_digit());
    let mut after = around.after.chars();
    let last = after.next().unwrap_or(' ');
    let goes_on = matches!(last, '.' | '-' | '/' | ',') && after.next().is_some_and(|c| c.is_ascii_digit());
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !(part(first) || joined || part(last) || goes_on)
}

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|c| c.to_digit(10)).collect()
}

/// An IBAN's rest modulo 97 is 1, with its first four characters moved to the end and letters as 10 to 35 (ISO 13616).
pub(super) fn is_iban(text: &str, _: &Around<'_>) -> bool {
    let plain: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
    if !(15..=34).contains(&plain.len()) {
        return false;
    }
    let rest = plain.iter().skip(4).chain(plain.iter().take(4)).try_fold(0u32, |rest, c| {
        let value = c.to_digit(36)?;
        Some((rest * if value > 9 { 100 } else { 10 } + value) % 97)
    });
    rest == Some(1)
}

/// A card's number has a prefix of a known network and passes Luhn's check.
pub(super) fn is_card(text: &str, around: &Around<'_>) -> bool {
    let digits = digits(text);
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match at % 2 {
            0 => *digit,
            _ if *digit > 4 => digit * 2 - 9,
            _ => digit * 2,
        })
        .sum();
    let network = digits.first().is_some_and(|first| matches!(first, 3..=6) || (*first == 2 && digits.len() == 16));
    let isbn = around.before.trim_end_matches([':', ' ', '：']).to_lowercase().ends_with("isbn");
    network
        && !isbn
        && sum.is_multiple_of(10)
        && stands_alone(around)
        && digits.iter().any(|d| Some(d) != digits.first())
}

/// The last character of a resident's number is a checksum over the others (GB 11643-1999).
pub(super) fn is_resident_id(text: &str, around: &Around<'_>) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits(text).iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    let check = "10X98765432".chars().nth((sum % 11) as usize);
    check == text.chars().last().map(|c| c.to_ascii_uppercase()) && stands_alone(around)
}

/// Areas 000, 666 and 900 to 999, group 00 and serial 0000 are never given out.
pub(super) fn is_ssn(text: &str, around: &Around<'_>) -> bool {
    let mut parts = text.split('-');
    let (area, group, serial) = (parts.next(), parts.next(), parts.next());
    let given = area.is_some_and(|area| area != "000" && area != "666" && !area.starts_with('9'));
    given && group != Some("00") && serial != Some("0000") && stands_alone(around)
}

/// Addresses that are everybody's (0.0.0.0, 127.0.0.1) tell of nobody; a number after "version" is none.
pub(super) fn is_ipv4(text: &str, around: &Around<'_>) -> bool {
    let address: Option<Ipv4Addr> = text.parse().ok();
    let head = around.before.trim_end_matches(['v', 'V', ' ']).to_lowercase();
    let version = head.ends_with("version")
        || head.ends_with("release")
        || head.ends_with("版本")
        || around.before.ends_with(['v', 'V']);
    // A port or a network's size may follow.
    let end = around.after.trim_start_matches('/');
    let open = Around { before: around.before, after: if end.len() < around.after.len() { "" } else { around.after } };
    address.is_some_and(|a| !a.is_loopback() && !a.is_unspecified() && !a.is_broadcast())
        && !version
        && stands_alone(&open)
}

/// At least three groups have to stand there: `a::b` is a path in code.
pub(super) fn is_ipv6(text: &str, around: &Around<'_>) -> bool {
    let address: Option<Ipv6Addr> = text.parse().ok();
    let groups = text.split(':').filter(|group| !group.is_empty()).count();
    let digit = text.contains(|c: char| c.is_ascii_digit());
    let known = address.is_some_and(|address| !IpAddr::from(address).is_loopback());
    known && groups >= 3 && digit && stands_alone(around)
}

/// From 7 to 15 digits that stand alone, and neither money nor a part of an ISBN, a date or a sum.
pub(super) fn is_phone(text: &str, around: &Around<'_>) -> bool {
    let count = digits(text).len();
    let head = around.before.trim_end_matches([':', ' ', '：', '-']).to_lowercase();
    let other = head.ends_with("isbn")
        || head.ends_with("issn")
        || head.ends_with("doi")
        || head.ends_with(['$', '€', '£', '¥', '=', '×', '*', '+']);
    let unit = around.after.trim_start().starts_with(['%', '元', '€', '人', '米', '×', '=', '+', '*']);
    // "+86" after a letter or digit is a sum.
    let sum = text.starts_with('+') && around.before.trim_end().ends_with(|c: char| c.is_ascii_digit());
    (7..=15).contains(&count) && !other && !unit && !sum && stands_alone(around)
}

/// A password is no word that says where it comes from, such as `os.environ`, `<your key>` or `None`.
pub(super) fn is_secret(text: &str, _: &Around<'_>) -> bool {
    let lower = text.to_lowercase();
    let place = [
        "your", "env", "process.", "config", "settings", "getenv", "example", "xxxx", "****", "args", "self.", "input(",
    ];
    let mark = lower.starts_with(['<', '{', '$', '[', '%', '(', '*']) || lower.contains('(');
    let word = matches!(
        lower.as_str(),
        "string" | "optional" | "required" | "password" | "secret" | "undefined" | "default" | "strong" | "please"
    );
    // What is only small letters in prose ("password: something") is a word; secrets mix.
    let mixed = text.contains(|c: char| c.is_ascii_digit() || c.is_ascii_punctuation())
        || (text.contains(|c: char| c.is_ascii_uppercase())
            && text.contains(|c: char| c.is_ascii_lowercase())
            && text.len() > 8);
    !mark && !word && mixed && !place.iter().any(|place| lower.contains(place))
}
