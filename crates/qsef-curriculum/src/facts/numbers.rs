//! Numbers as digits and as English words, with the units that stand at them.

use super::{
    tokens::{Kind, Token},
    units::{self, Unit},
    words::{self, Word},
};

/// A number, in millionths: enough for prices and percentages, and exact to compare.
pub(super) type Value = i128;

/// One, as a [`Value`].
pub(super) const ONE: Value = 1_000_000;

/// A number of a text.
#[derive(Debug, Clone)]
pub(super) struct Number {
    pub(super) value: Value,
    /// What it means as well: 1800 for the 19th century, 1990 for the nineties.
    pub(super) other: Option<Value>,
    pub(super) unit: Option<Unit>,
    /// Whether a rewording has to have it: not "one", "half", "first", "twice".
    pub(super) required: bool,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Number {
    /// Whether both mean the same amount, whatever the units are.
    pub(super) fn equals(&self, other: &Self) -> bool {
        let same = |a: Option<Value>, b: Option<Value>| a.is_some() && a == b;
        let scaled = |a: &Self, b: &Self| a.unit == Some("percent") && b.unit.is_none() && a.value == b.value * 100;
        self.value == other.value
            || same(Some(self.value), other.other)
            || same(self.other, Some(other.value))
            || same(self.other, other.other)
            || scaled(self, other)
            || scaled(other, self)
    }
}

/// The value of digits with separators of thousands and decimals.
pub(super) fn parse(digits: &str) -> Option<Value> {
    let plain: String = digits.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    scaled(plain.parse().ok()?)
}

/// A number as a [`Value`]; none where it is too large to be compared exactly.
pub(super) fn scaled(number: f64) -> Option<Value> {
    let scaled = (number * 1e6).round();
    (scaled.abs() < 1e30).then_some(scaled as Value)
}

/// The numbers that tokens have; `chinese` leaves what follows the digits to the caller.
pub(super) fn of(text: &str, tokens: &[Token<'_>], chinese: bool) -> Vec<Number> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let read = match token.kind {
            Kind::Number => digits(text, tokens, at, &mut found),
            Kind::Word if !chinese => words::read(tokens, at),
            _ => None,
        };
        let digits = token.kind == Kind::Number;
        let Some(Word { number, next }) = read else {
            at += 1;
            continue;
        };
        at = next.max(at + 1);
        let mut number = if chinese { number } else { finish(text, tokens, &mut at, number) };
        // "1 km" may become "a kilometre", but not nothing.
        number.required |= digits && number.value == ONE && number.unit.is_some();
        found.push(number);
    }
    shares(text, &mut found);
    found
}

/// Gives "one in four" and "three out of ten" the per cent that they are, as another value of both numbers.
fn shares(text: &str, numbers: &mut [Number]) {
    for at in 1..numbers.len() {
        let Some([part, whole]) = numbers.get_mut(at - 1..=at) else { continue };
        let between = text.get(part.end..whole.start).unwrap_or_default();
        if matches!(between, " in " | " out of ")
            && part.value < whole.value
            && whole.value <= 100 * ONE
            && part.value > 0
        {
            let percent = Some(part.value * 100 * ONE / whole.value);
            (part.other, whole.other) = (percent, percent);
        }
    }
}

/// Reads the unit after a number and what else follows it.
fn finish(text: &str, tokens: &[Token<'_>], at: &mut usize, mut number: Number) -> Number {
    if let Some((unit, length)) = text.get(number.end..).and_then(units::sign) {
        number.unit = Some(unit);
        number.end += length;
        // "km/h" is a sign here and words there.
        while tokens.get(*at).is_some_and(|token| token.start < number.end) {
            *at += 1;
        }
    }
    let near = |token: &&Token<'_>| {
        token.is_word() && text.get(number.end..token.start).is_some_and(|gap| matches!(gap, "" | " " | "-" | "\u{a0}"))
    };
    let Some(token) = tokens.get(*at).filter(near) else { return number };
    let word = token.text.to_lowercase();
    let after = tokens.get(*at + 1).filter(|token| token.is_word()).map(|token| token.text.to_lowercase());
    let after = after.as_deref();
    match word.as_str() {
        "per" if matches!(after, Some("cent")) => {
            (number.unit, number.end, *at) = (Some("percent"), tokens.get(*at + 1).map_or(0, Token::end), *at + 2);
            return number;
        }
        "century" | "centuries" => {
            number.other = Some((number.value - ONE) * 100);
            return number;
        }
        "decades" => {
            number.other = Some(number.value * 10);
            return number;
        }
        // Two thirds.
        "thirds" | "quarters" | "halves" | "fourths" | "fifths" | "sixths" | "tenths" | "third" | "quarter"
        | "fifth" | "tenth" => {
            let parts: Value = match word.trim_end_matches('s') {
                "third" => 3,
                "quarter" | "fourth" => 4,
                "fifth" => 5,
                "sixth" => 6,
                "tenth" => 10,
                _ => 2,
            };
            (number.value, number.required, *at) = (number.value / parts, false, *at + 1);
            number.other = Some(number.value * 100);
            return number;
        }
        _ => {}
    }
    let square = matches!(word.as_str(), "square" | "sq" | "cubic");
    let foreign = matches!(word.as_str(), "us" | "american" | "canadian" | "australian" | "u.s.");
    let named = if square || foreign { after.and_then(units::word) } else { units::word(token.text) };
    let Some(unit) = named else { return number };
    let last = *at + usize::from(square || foreign);
    let third = |offset: usize| tokens.get(last + offset).map(|token| token.text);
    let hourly = matches!((third(1), third(2)), (Some("per" | "an"), Some("hour")));
    let second = third(1).and_then(units::word);
    (number.unit, number.end) = match (unit, second) {
        ("km", _) if hourly => (Some("km/h"), end(tokens, last + 2)),
        ("mile", _) if hourly => (Some("mph"), end(tokens, last + 2)),
        ("degree", Some(scale @ ("°C" | "°F"))) => (Some(scale), end(tokens, last + 1)),
        ("km", _) if square => (Some("km²"), end(tokens, last)),
        ("mile", _) if square => (Some("mile²"), end(tokens, last)),
        ("m", _) if square => (Some(if word == "cubic" { "m³" } else { "m²" }), end(tokens, last)),
        // "5m people" are millions, unless it is a length.
        ("m", _) if token.text == "m" && number.unit.is_none() => {
            number.other = Some(number.value * ONE);
            (Some("m"), token.end())
        }
        // The currency is known, and the words after it tell something else.
        _ if number.unit.is_some() => (number.unit, number.end),
        _ => (Some(unit), end(tokens, last)),
    };
    *at = last + 1;
    number
}

fn end(tokens: &[Token<'_>], at: usize) -> usize {
    tokens.get(at).map_or(0, Token::end)
}

/// Reads a token of digits. Dates and times are more than one number: all but the last are put into `found`.
fn digits(text: &str, tokens: &[Token<'_>], at: usize, found: &mut Vec<Number>) -> Option<Word> {
    let token = tokens.get(at)?;
    let (start, mut end) = (token.start, token.end());
    let head = text.get(..start)?;
    let tail = text.get(end..)?;
    if is_mark(head, tail, token.text) {
        return None;
    }
    let number = |value, required, end| Number { value, other: None, unit: None, required, start, end };
    if let Some((hours, minutes)) = token.text.split_once(':') {
        let value = parse(&format!("{hours}.{minutes}"))?;
        return Some(Word { number: number(value, true, end), next: at + 1 });
    }
    if token.text.contains('/') || token.text.matches('-').count() == 2 {
        let parts: Vec<&str> = token.text.split(['/', '-']).collect();
        // 3/4 may be told in words, and which part of 4/7/2013 the month is cannot be known: its year is enough.
        let year = parts.iter().filter(|part| part.len() == 4).find_map(|part| parse(part));
        let day = parts.last().filter(|_| token.text.contains('-')).and_then(|part| parse(part));
        found.extend(day.map(|day| number(day, day > ONE, end)));
        found.extend(parts.iter().filter_map(|part| parse(part)).map(|part| number(part, false, end)));
        let value = year.or_else(|| parts.first().and_then(|part| parse(part)))?;
        return Some(Word { number: number(value, year.is_some(), end), next: at + 1 });
    }
    let mut value = parse(token.text)?;
    let mut unit = near(head).and_then(units::currency);
    let mut next = at + 1;
    let mut other = None;
    let mut ordinal = false;
    let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).and_then(|to| tail.get(..to)).unwrap_or(tail);
    match letters {
        "st" | "nd" | "rd" | "th" => ordinal = true,
        "s" if value % (10 * ONE) == 0 && value >= 20 * ONE => {
            let short = value % (100 * ONE);
            other = Some(if value < 100 * ONE { value + 1900 * ONE } else { short }).filter(|o| *o != 0);
        }
        // The summer of '69.
        "" if head.ends_with(['\'', '’', '‘']) && token.text.len() == 2 => other = Some(value + 1900 * ONE),
        "k" | "K" => value *= 1000,
        "bn" => value *= 1_000_000_000,
        "tn" => value *= 1_000_000_000_000,
        "m" if unit.is_some() => value *= 1_000_000,
        _ => {
            let negative =
                head.ends_with(['-', '−']) && !head.trim_end_matches(['-', '−']).ends_with(char::is_alphanumeric);
            value = if negative { -value } else { value };
        }
    }
    let used = ordinal
        || (other.is_some() && letters == "s")
        || matches!(letters, "s" | "k" | "K" | "bn" | "tn")
        || (letters == "m" && unit.is_some());
    let used = used && (letters != "s" || other.is_some());
    if used {
        end += letters.len();
        next += 1;
    }
    while let Some(scale) =
        tokens.get(next).filter(|t| t.is_word() && matches!(text.get(end..t.start), Some(" " | "-" | "\u{a0}")))
    {
        let Some(factor) = words::scale(&scale.text.to_lowercase()) else { break };
        (value, end, next) = (value.checked_mul(factor)?, scale.end(), next + 1);
    }
    if unit.is_none() && head.ends_with('$') {
        unit = Some("dollar");
    }
    // A digit one may become an article.
    let required = value.abs() >= 2 * ONE || value % ONE != 0 || value < 0;
    let sign = |c: char| c.is_ascii_uppercase() || "$£€¥￥₹".contains(c);
    let start = match unit {
        Some(_) => head.trim_end_matches(sign).len(),
        None if value < 0 => head.trim_end_matches(['-', '−']).len(),
        None => start,
    };
    Some(Word { number: Number { value, other, unit, required, start, end }, next })
}

/// The few characters before a number that can be a currency.
fn near(head: &str) -> Option<&str> {
    let from = head.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
    head.get(from..)
}

/// The number of a list's item, or a mark of a note such as [12]: they say nothing themselves.
fn is_mark(head: &str, tail: &str, digits: &str) -> bool {
    let line = head.rsplit('\n').next().unwrap_or_default();
    let item = line.trim().is_empty()
        && digits.len() < 3
        && (tail.starts_with(". ") || tail.starts_with(") ") || tail.starts_with('、'));
    item || (head.ends_with('[') && tail.starts_with(']'))
}
