//! Numbers that are written as English words.

use super::{
    numbers::{Number, ONE, Value},
    tokens::Token,
};

/// A number that was read, and the index of the first token after it.
pub(super) struct Word {
    pub(super) number: Number,
    pub(super) next: usize,
}

/// What a word multiplies the number before it by.
pub(super) fn scale(word: &str) -> Option<Value> {
    Some(match word {
        "hundred" => 100,
        "thousand" => 1000,
        "million" | "mn" | "mln" => 1_000_000,
        "billion" | "bn" => 1_000_000_000,
        "trillion" | "tn" => 1_000_000_000_000,
        "dozen" => 12,
        _ => return None,
    })
}

fn cardinal(word: &str) -> Option<Value> {
    const SMALL: &[&str] = &[
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: &[&str] = &["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let small = SMALL.iter().position(|w| *w == word).map(|at| at as Value);
    small.or_else(|| TENS.iter().position(|w| *w == word).map(|at| (at as Value + 2) * 10))
}

fn ordinal(word: &str) -> Option<Value> {
    Some(match word {
        "first" => 1,
        "second" => 2,
        "third" => 3,
        "fifth" => 5,
        "eighth" => 8,
        "ninth" => 9,
        "twelfth" => 12,
        "twentieth" => 20,
        "thirtieth" => 30,
        "fortieth" => 40,
        "fiftieth" => 50,
        "sixtieth" => 60,
        "seventieth" => 70,
        "eightieth" => 80,
        "ninetieth" => 90,
        "hundredth" => 100,
        "thousandth" => 1000,
        _ => return cardinal(word.strip_suffix("th")?),
    })
}

/// Words that imply a number which a rewording may say in another way: they satisfy it, and are never required.
fn implied(word: &str) -> Option<(Value, Option<Value>)> {
    Some(match word {
        "half" => (ONE / 2, Some(50 * ONE)),
        "quarter" => (ONE / 4, Some(25 * ONE)),
        "twice" | "double" | "doubled" | "doubles" | "both" | "couple" | "pair" | "twins" => (2 * ONE, None),
        "triple" | "tripled" | "trio" => (3 * ONE, None),
        "once" | "single" => (ONE, None),
        "dozen" => (12 * ONE, None),
        "decade" => (10 * ONE, None),
        "century" => (100 * ONE, None),
        "fortnight" => (2 * ONE, Some(14 * ONE)),
        "noon" | "midday" | "midnight" => (12 * ONE, None),
        "teens" => (10 * ONE, None),
        "twenties" => (20 * ONE, Some(1920 * ONE)),
        "thirties" => (30 * ONE, Some(1930 * ONE)),
        "forties" => (40 * ONE, Some(1940 * ONE)),
        "fifties" => (50 * ONE, Some(1950 * ONE)),
        "sixties" => (60 * ONE, Some(1960 * ONE)),
        "seventies" => (70 * ONE, Some(1970 * ONE)),
        "eighties" => (80 * ONE, Some(1980 * ONE)),
        "nineties" => (90 * ONE, Some(1990 * ONE)),
        _ => return None,
    })
}

/// Whether a number can begin with a word; most words are told by their first letters.
fn may_begin(word: &str) -> bool {
    const STARTS: &str = "ze on tw th fo fi si se ei ni te el hu mi bi tr ha qu do bo co pa de ce no";
    word.len() < 14
        && word.get(..2).is_some_and(|start| STARTS.contains(start))
        && !matches!(word, "the" | "that" | "this")
}

/// Reads a number in words that begins at a token: "three", "two hundred and five", "half a million", "twenty-first".
pub(super) fn read(tokens: &[Token<'_>], at: usize) -> Option<Word> {
    let lower = |at: usize| tokens.get(at).filter(|token| token.is_word()).map(|token| token.text.to_lowercase());
    let first = lower(at).filter(|word| may_begin(word))?;
    let start = tokens.get(at)?.start;
    let done = |value: Value, other, required, next: usize| {
        let end = tokens.get(next - 1).map_or(start, Token::end);
        Some(Word { number: Number { value, other, unit: None, required, start, end }, next })
    };
    if let Some((value, other)) = implied(&first) {
        // "half a million", "a quarter of a million".
        let from = at + 1 + usize::from(lower(at + 1).as_deref() == Some("of"));
        let factor = (lower(from).as_deref() == Some("a")).then(|| lower(from + 1).and_then(|word| scale(&word)));
        return match factor.flatten() {
            Some(factor) if value < ONE => done(value * factor, None, true, from + 2),
            _ => done(value, other, false, at + 1),
        };
    }
    let (mut total, mut current, mut next) = (0, None::<Value>, at);
    let mut is_ordinal = false;
    while let Some(word) = lower(next) {
        let joined = next == at || close(tokens, next);
        let fits = |value: Value, current: Option<Value>| match current {
            None => true,
            Some(before) => {
                before >= 20 && value < 10 && value > 0 && before % 10 == 0 && before % 100 != 0
                    || (before >= 100 && before % 100 == 0 && value < 100 && value > 0)
            }
        };
        if !joined {
            break;
        } else if let Some(value) = cardinal(&word).filter(|value| fits(*value, current)) {
            current = Some(current.unwrap_or(0) + value);
        } else if let Some(value) = ordinal(&word).filter(|value| fits(*value, current)) {
            // "one fifth" and "two second helpings" are no ordinals of twenty.
            (current, is_ordinal) = (Some(current.unwrap_or(0) + value), true);
            next += 1;
            break;
        } else if let Some(factor) = scale(&word) {
            let number = current.take().unwrap_or(if total == 0 { 1 } else { break });
            if factor == 100 || factor == 12 {
                current = Some(number * factor);
            } else {
                total += number * factor;
            }
        } else if word == "and" && next > at && follows(&lower, next + 1, current, total) {
        } else {
            break;
        }
        next += 1;
    }
    if next == at {
        return None;
    }
    let value = total + current.unwrap_or(0);
    let required = if is_ordinal { value >= 4 } else { value >= 2 };
    let value = value.checked_mul(ONE)?;
    // "two and a half".
    let half = lower(next).as_deref() == Some("and")
        && lower(next + 1).as_deref() == Some("a")
        && lower(next + 2).as_deref() == Some("half");
    if half {
        let factor = lower(next + 3).and_then(|word| scale(&word));
        let (value, more) = (value + ONE / 2, usize::from(factor.is_some()));
        return done(value * factor.unwrap_or(1), None, true, next + 3 + more);
    }
    done(value, None, required, next)
}

/// Whether "and" inside of a number goes on: only after hundreds and thousands, with a smaller number.
fn follows(lower: &impl Fn(usize) -> Option<String>, at: usize, current: Option<Value>, total: Value) -> bool {
    let large = current.map_or(total >= 100, |c| c >= 100 && c % 100 == 0);
    large && lower(at).is_some_and(|word| cardinal(&word).or_else(|| ordinal(&word)).is_some_and(|value| value > 0))
}

/// Whether a token stands directly after the one before it, with a space or a hyphen between them.
fn close(tokens: &[Token<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| tokens.get(before));
    before.zip(tokens.get(at)).is_some_and(|(a, b)| a.end() + 1 == b.start)
}
