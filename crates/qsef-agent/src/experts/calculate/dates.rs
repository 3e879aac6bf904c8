use jiff::{Span, civil::Date};

use super::super::numbers::ascii_digits;

/// Answers questions about calendar dates: the time between two, a date plus or minus a span, a weekday.
/// `None` where the task is not one of these.
pub(super) fn answer(task: &str, today: Date) -> Option<Result<String, String>> {
    let task: String = ascii_digits(task).chars().take(1_000).collect();
    let lower = task.to_lowercase();
    let dates = match dates_in(&lower, today) {
        Ok(dates) => dates,
        Err(message) => return Some(Err(message)),
    };
    let span = regex!(r"(\d{1,6})\s*(days?|weeks?|months?|years?|天|周|个月|年)")
        .captures(&strip_dates(&lower))
        .and_then(|c| Some((c.get(1)?.as_str().parse::<i64>().ok()?, c.get(2)?.as_str().to_owned())));
    match (dates.as_slice(), span) {
        ([a, b], _) => Some(between(*a, *b, &lower)),
        ([a], Some((count, unit))) => Some(shifted(*a, count, &unit, &lower)),
        ([a], None) if regex!(r"how many (?:days|weeks)|until|since|多少天|几天").is_match(&lower) => {
            Some(between(today, *a, &lower))
        }
        ([a], None) if regex!(r"day of the week|weekday|which day|what day|星期几").is_match(&lower) => {
            Some(Ok(a.strftime("%A").to_string()))
        }
        ([], Some((count, unit))) if regex!(r"\b(?:from now|ago)\b|后是|天后|天前").is_match(&lower) => {
            Some(shifted(today, count, &unit, &lower))
        }
        _ => None,
    }
}

fn between(a: Date, b: Date, lower: &str) -> Result<String, String> {
    let days = a.until(b).map_err(|e| e.to_string())?.get_days().abs();
    if lower.contains("week") && !lower.contains("days") || lower.contains("多少周") {
        let (weeks, rest) = (days / 7, days % 7);
        return Ok(if rest == 0 { format!("{weeks} weeks") } else { format!("{weeks} weeks {rest} days") });
    }
    Ok(if days == 1 { "1 day".into() } else { format!("{days} days") })
}

fn shifted(from: Date, count: i64, unit: &str, lower: &str) -> Result<String, String> {
    let span = match unit.chars().next() {
        Some('d' | '天') => Span::new().try_days(count),
        Some('w' | '周') => Span::new().try_weeks(count),
        Some('m' | '个') => Span::new().try_months(count),
        _ => Span::new().try_years(count),
    };
    let back = regex!(r"\bbefore\b|\bago\b|\bminus\b|\bearlier\b|之前|前|减").is_match(lower);
    let date = span.and_then(|s| if back { from.checked_sub(s) } else { from.checked_add(s) });
    date.map(|d| d.strftime("%Y-%m-%d (%A)").to_string()).map_err(|e| format!("no such date: {e}"))
}

const DATE: &str = r"(?x)(?P<y1>\d{4})[-/.年](?P<m1>\d{1,2})[-/.月](?P<d1>\d{1,2})日?
    |(?P<d2>\d{1,2})(?:st|nd|rd|th)?\ (?:of\ )?(?P<n2>(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*)\.?,?\ (?P<y2>\d{4})
    |(?P<n3>(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*)\.?\ (?P<d3>\d{1,2})(?:st|nd|rd|th)?,?\ (?P<y3>\d{4})
    |(?P<now>\btoday\b|\bnow\b|今天)|(?P<tomorrow>\btomorrow\b|明天)|(?P<yesterday>\byesterday\b|昨天)";

fn strip_dates(lower: &str) -> String {
    regex!(DATE).replace_all(lower, " ").into_owned()
}

fn dates_in(lower: &str, today: Date) -> Result<Vec<Date>, String> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let mut dates = Vec::new();
    for found in regex!(DATE).captures_iter(lower) {
        let text = |name: &str| found.name(name).map(|m| m.as_str());
        let number = |name: &str| text(name).and_then(|t| t.parse::<i16>().ok()).unwrap_or_default();
        let month = |name: &str| {
            let at = MONTHS.iter().position(|m| text(name).is_some_and(|t| t.starts_with(m)));
            at.and_then(|i| i16::try_from(i + 1).ok()).unwrap_or_default()
        };
        let (y, m, d) = if text("y1").is_some() {
            (number("y1"), number("m1"), number("d1"))
        } else if text("y2").is_some() {
            (number("y2"), month("n2"), number("d2"))
        } else if text("y3").is_some() {
            (number("y3"), month("n3"), number("d3"))
        } else {
            let date = match (text("tomorrow"), text("yesterday")) {
                (Some(_), _) => today.tomorrow(),
                (_, Some(_)) => today.yesterday(),
                _ => Ok(today),
            };
            dates.push(date.map_err(|e| e.to_string())?);
            continue;
        };
        let (m, d) = (i8::try_from(m).unwrap_or(0), i8::try_from(d).unwrap_or(0));
        let spelled = found.get(0).map_or("", |m| m.as_str());
        dates.push(Date::new(y, m, d).map_err(|_| format!("there is no such date as {spelled}"))?);
    }
    Ok(dates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(task: &str) -> Option<Result<String, String>> {
        answer(task, jiff::civil::date(2025, 6, 1))
    }

    #[test]
    fn dates_are_calendar_dates() {
        for (task, result) in [
            ("How many days between 1 March 2024 and 25 December 2024?", "299 days"),
            ("How many days are there from 2024-02-28 to 2024-03-01?", "2 days"),
            ("How many weeks from January 1, 2024 to January 29, 2024?", "4 weeks"),
            ("What date is 90 days after 15 January 2024?", "2024-04-14 (Sunday)"),
            ("What date is 2 weeks before 2024-03-01", "2024-02-16 (Friday)"),
            ("What day of the week was July 20, 1969?", "Sunday"),
            ("How many days until 25 December 2025?", "207 days"),
            ("2024年3月1日到2024年12月25日有多少天？", "299 days"),
            ("What is the date 10 days from now?", "2025-06-11 (Wednesday)"),
        ] {
            assert_eq!(ask(task), Some(Ok(result.into())), "{task}");
        }
        assert!(ask("How many days from 30 February 2024 to today?").unwrap().is_err());
        assert!(ask("999999 years after 2024-01-01").unwrap().is_err());
        for other in ["", "What is 15% of 240 km?", "3 days in hours", "2/3/4"] {
            assert_eq!(ask(other), None, "{other}");
        }
    }
}
