use std::time::{Duration, Instant};

use fend_core::{Context, Interrupt};

/// The longest expression that is evaluated, in bytes.
const LONGEST: usize = 2_000;
const TIME_LIMIT: Duration = Duration::from_secs(1);
/// fend recurses: a stack of its own keeps a deeply nested expression from ending the process.
const STACK_BYTES: usize = 64 << 20;

struct Deadline(Instant);

impl Interrupt for Deadline {
    fn should_interrupt(&self) -> bool {
        Instant::now() >= self.0
    }
}

/// Evaluates an expression with fend: exact where the result is exact, no network, no randomness, one second.
pub(super) fn evaluate(expression: &str) -> Result<String, String> {
    let expression = expression.trim().to_owned();
    if expression.is_empty() {
        return Err("there is nothing to calculate".into());
    }
    if expression.len() > LONGEST || expression.chars().any(char::is_control) {
        return Err("that is not an expression".into());
    }
    // A precision that was asked for stands.
    let precise = regex!(r"\b(?:dp|sf)\b").is_match(&expression);
    let work = move || {
        let mut context = Context::new();
        context.disable_rng();
        let deadline = Deadline(Instant::now() + TIME_LIMIT);
        fend_core::evaluate_with_interrupt(&expression, &mut context, &deadline)
            .map(|result| result.get_main_result().to_owned())
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work).map_err(|e| e.to_string())?;
    let result = thread.join().map_err(|_| "the calculator failed on this expression".to_owned())?;
    let result = result.map_err(|e| match e.as_str() {
        "interrupted" => "the calculation takes too long".into(),
        _ => e,
    })?;
    if result.starts_with('{') || !result.contains(|c: char| c.is_ascii_digit() || c == 'π') {
        return Err(format!("the result is not a number: {}", result.chars().take(60).collect::<String>()));
    }
    Ok(if precise { result.trim_start_matches("approx. ").to_owned() } else { tidy(&result) })
}

/// Without "approx.", and rounded to six significant decimals where it was approximate or longer.
fn tidy(result: &str) -> String {
    let (approximate, text) = match result.strip_prefix("approx. ") {
        Some(rest) => (true, rest),
        None => (false, result),
    };
    if !approximate {
        return text.to_owned();
    }
    regex!(r"\d+\.\d+").replace_all(text, |c: &regex::Captures| round(c.get(0).map_or("", |m| m.as_str()))).into_owned()
}

/// Rounds a decimal number to six digits after the leading zeros of its fraction, or four where it is large.
fn round(number: &str) -> String {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let zeros = if whole == "0" { fraction.chars().take_while(|c| *c == '0').count() } else { 0 };
    let wanted = zeros + 6;
    if fraction.len() <= wanted || whole.len() > 9 {
        return number.to_owned();
    }
    let Ok(value) = number.parse::<f64>() else { return number.to_owned() };
    let text = format!("{value:.wanted$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_exact_or_rounded() {
        for (expression, result) in [
            ("0.15 * 240 km to miles", "22.369363 miles"),
            ("1/3 + 1/6", "0.5"),
            ("2^100", "1267650600228229401496703205376"),
            ("36 km to m", "36000 m"),
            ("0.1 + 0.2", "0.3"),
        ] {
            assert_eq!(evaluate(expression).as_deref(), Ok(result), "{expression}");
        }
        assert_eq!(round("0.000123456789"), "0.000123457");
    }

    #[test]
    fn bad_expressions_are_errors_in_time() {
        let start = Instant::now();
        let nested = "(".repeat(1_900);
        for bad in ["", "1/0", "9^9^9^9", "NaN", "\0\u{1b}[31m", "1 USD to EUR", "d6", "roll d6", "x = ", &nested] {
            assert!(evaluate(bad).is_err(), "{bad}: {:?}", evaluate(bad));
        }
        assert!(evaluate(&"1+".repeat(50_000)).is_err());
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
