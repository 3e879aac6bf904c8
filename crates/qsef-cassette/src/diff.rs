use serde_json::Value;
use similar::TextDiff;

/// Lines around a difference.
const CONTEXT: usize = 2;

/// How alike two requests are, in [0, 1].
pub fn likeness(a: &Value, b: &Value) -> f32 {
    TextDiff::from_lines(pretty(a), pretty(b)).ratio()
}

/// The difference line by line, with `-` what was recorded and `+` what is asked now.
pub fn difference(recorded: &Value, now: &Value) -> String {
    let (recorded, now) = (pretty(recorded), pretty(now));
    TextDiff::from_lines(&recorded, &now).unified_diff().context_radius(CONTEXT).to_string()
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
