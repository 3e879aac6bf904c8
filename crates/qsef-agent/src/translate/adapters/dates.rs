use std::ops::Range;

use jiff::civil::Date;
use qsef_core::{Format, Payload};

use super::text_of;
use crate::translate::graph::Made;

/// A date as it stands in a text.
pub(crate) struct Found {
    pub(crate) range: Range<usize>,
    /// In ISO 8601, or why it cannot be told.
    pub(crate) iso: Result<String, String>,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The dates of a text with day, month and year. What is no date of the calendar is left out, and so is one with a time of day:
/// it is more than a date.
pub(crate) fn find(text: &str) -> Vec<Found> {
    let pattern = regex!(
        r"(?xi)\b(?P<y1>\d{4})(?:-(?P<m1>\d{1,2})-|/(?P<m1b>\d{1,2})/|\.(?P<m1c>\d{1,2})\.)(?P<d1>\d{1,2})\b
        |(?P<y4>\d{4})\s?年\s?(?P<m4>\d{1,2})\s?月\s?(?P<d4>\d{1,2})\s?[日号]
        |\b(?P<d2>\d{1,2})(?:st|nd|rd|th)?\s(?:of\s)?(?P<n2>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?,?\s(?P<y2>\d{4})\b
        |\b(?P<n3>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?\s(?P<d3>\d{1,2})(?:st|nd|rd|th)?,?\s(?P<y3>\d{4})\b
        |\b(?P<a>\d{1,2})[/.-](?P<b>\d{1,2})[/.-](?P<y5>\d{4})\b"
    );
    let mut found = Vec::new();
    for captures in pattern.captures_iter(text) {
        let Some(all) = captures.get(0) else { continue };
        let number = |names: &[&str]| names.iter().find_map(|n| captures.name(n)?.as_str().parse::<i16>().ok());
        let month = ["n2", "n3"].iter().find_map(|n| {
            let name = captures.name(n)?.as_str().to_lowercase();
            MONTHS.iter().zip(1..).find(|(m, _)| **m == name).map(|(_, number)| number)
        });
        let Some(year) = number(&["y1", "y2", "y3", "y4", "y5"]) else { continue };
        let iso = match (number(&["a"]), number(&["b"])) {
            (Some(a), Some(b)) if a <= 12 && b <= 12 && a != b => {
                Some(Err(format!("\"{}\" may be {year}-{a:02}-{b:02} or {year}-{b:02}-{a:02}", all.as_str())))
            }
            (Some(a), Some(b)) if a > 12 => iso(year, b, a).map(Ok),
            (Some(a), Some(b)) => iso(year, a, b).map(Ok),
            _ => number(&["m1", "m1b", "m1c", "m4"])
                .or(month)
                .zip(number(&["d1", "d2", "d3", "d4"]))
                .and_then(|(m, d)| iso(year, m, d))
                .map(Ok),
        };
        found.extend(iso.map(|iso| Found { range: all.range(), iso }));
    }
    found
}

fn iso(year: i16, month: i16, day: i16) -> Option<String> {
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    Some(date.to_string())
}

pub(crate) fn is_iso(text: &str) -> bool {
    matches!(find(text).as_slice(), [one] if one.range == (0..text.len()) && one.iso.as_deref() == Ok(text))
}

/// A text that is a date and nothing else, a weekday apart.
pub(super) fn of_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    whole(text_of(payload)?)
}

pub(super) fn whole(text: &str) -> Result<Made, String> {
    let text = text.trim().trim_end_matches(['.', '。']);
    let mut found = find(text);
    let Some(one) = found.pop().filter(|_| found.is_empty()) else { return Err("it is not a date".into()) };
    let before = text.get(..one.range.start).unwrap_or_default();
    let weekday =
        regex!(r"(?i)^(?:(?:on\s)?(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+)?$");
    if one.range.end != text.len() || !weekday.is_match(before) {
        return Err("it is not a date alone".into());
    }
    one.iso.map(|iso| Payload::string(iso, Format::Date).into())
}

/// The one date that stands in a text, however often.
pub(super) fn in_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    let mut dates = find(text_of(payload)?).into_iter().map(|found| found.iso).collect::<Result<Vec<_>, _>>()?;
    dates.sort_unstable();
    dates.dedup();
    match dates.as_slice() {
        [one] => Ok(Payload::string(one.clone(), Format::Date).into()),
        [] => Err("there is no date in it".into()),
        _ => Err("there are several dates in it".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_ambiguous_ones_are_not_guessed() {
        let read = |text: &str| whole(text).map(|made| made.payload.to_text());
        for text in [
            "2024-05-13",
            "13 May 2024",
            "May 13, 2024",
            "13th of May 2024",
            "2024/5/13",
            "2024年5月13日",
            "13.05.2024",
            "05/13/2024",
            "Monday, 13 May 2024.",
        ] {
            assert_eq!(read(text).as_deref(), Ok("2024-05-13"), "{text}");
        }
        assert_eq!(read("04/04/2025").as_deref(), Ok("2025-04-04"));
        let ambiguous = read("03/04/2025").unwrap_err();
        assert!(ambiguous.contains("2025-03-04 or 2025-04-03"), "{ambiguous}");
        for none in
            ["", "2024-13-45", "30 Feb 2024", "2024-05-13T10:00", "03/04/25", "May 2024", "on 2024-05-13 at ten"]
        {
            assert!(read(none).is_err(), "{none}");
        }
        let inside = |text: &str| in_text(&Payload::text(text), &Format::Date).map(|m| m.payload.to_text());
        assert_eq!(inside("Due on 3 May 2024, that is 2024-05-03.").as_deref(), Ok("2024-05-03"));
        assert!(inside("From 3 May 2024 to 4 May 2024").is_err());
        assert!(is_iso("2024-05-03") && !is_iso("2024-5-3") && !is_iso(""));
    }
}
