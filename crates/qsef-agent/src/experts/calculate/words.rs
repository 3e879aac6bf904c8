use super::super::numbers::ascii_digits;

/// Rewrites a task in words as candidates for an expression, likeliest first.
pub(super) fn expressions(task: &str, inputs: &[String]) -> Vec<String> {
    let task: String = task.chars().take(1_000).collect();
    let text = normalise(&task);
    let mut found = Vec::new();
    for input in inputs.iter().rev() {
        let value = input.trim().trim_end_matches('.');
        if value.len() > 200 || !value.contains(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let put = format!("({value})");
        let with = regex!(r"(?i)\b(it|them|that|this|those|(?:the|that|this) (?:result|distance|amount|number|value|answer|total|sum|product|difference|weight|temperature|length))\b|结果|它")
            .replacen(&text, 1, regex::NoExpand(&put));
        if with != text {
            found.push(phrase(&with));
        }
        found.push(phrase(format!("{put} {text}")));
        found.push(phrase(format!("{text} {put}")));
    }
    if inputs.is_empty() || found.is_empty() {
        found.push(phrase(&text));
        // The part of a sentence that has the numbers in it.
        found.extend(text.split([',', ';']).filter(|p| p.contains(|c: char| c.is_ascii_digit())).map(phrase));
    }
    found.retain(|e| e.contains(|c: char| c.is_ascii_digit()));
    found.dedup();
    found
}

/// One spelling for signs, digits, thousands separators and units.
fn normalise(task: &str) -> String {
    let mut text = ascii_digits(task).trim().to_owned();
    text = regex!(r"(\d),(\d{3})\b").replace_all(&text, "$1$2").into_owned();
    text = regex!(r"(\d),(\d{3})\b").replace_all(&text, "$1$2").into_owned();
    for (from, to) in CHINESE {
        text = text.replace(from, to);
    }
    let text = text.replace(['×', '✕'], "*").replace('÷', "/").replace('−', "-");
    let text = text.trim_end_matches(['?', '.', '!', '。', ' ', '=']).to_owned();
    regex!(r"\s+").replace_all(&text, " ").into_owned()
}

const CHINESE: &[(&str, &str)] = &[
    ("平方公里", " km^2 "),
    ("平方米", " m^2 "),
    ("公里", " km "),
    ("千米", " km "),
    ("英里", " miles "),
    ("厘米", " cm "),
    ("毫米", " mm "),
    ("英尺", " feet "),
    ("英寸", " inches "),
    ("公斤", " kg "),
    ("千克", " kg "),
    ("克", " g "),
    ("磅", " lb "),
    ("小时", " hours "),
    ("分钟", " minutes "),
    ("摄氏度", " °C "),
    ("华氏度", " °F "),
    ("升", " litres "),
    ("米", " m "),
    ("秒", " seconds "),
    ("天", " days "),
    ("乘以", " * "),
    ("除以", " / "),
    ("加上", " + "),
    ("减去", " - "),
    ("乘", " * "),
    ("加", " + "),
    ("减", " - "),
    ("等于多少", ""),
    ("是多少", " to "),
    ("等于", " to "),
    ("换算成", " to "),
    ("换算为", " to "),
    ("转换为", " to "),
    ("转换成", " to "),
    ("多少", " "),
    ("请", ""),
    ("把", ""),
    ("将", ""),
    ("计算", ""),
    ("的平方根", " sqrt "),
    ("的", " of "),
    ("？", ""),
    ("。", ""),
    ("是", " to "),
];

/// Phrases rewritten as fend's operators, words around the expression dropped.
fn phrase(text: impl AsRef<str>) -> String {
    let mut text = text.as_ref().trim().to_owned();
    let lead = regex!(
        r"(?i)^(?:(?:please|then|now|and|so|ok|hey|hi|next|finally|first|also|can you|could you|would you|will you|i (?:need|want|would like)(?: you)? to|tell me|show me|work out|figure out|find out|find|give me|let me know|compute|calculate|evaluate|solve|determine|convert|change|express|what(?:'s| is| are| was| would be)|how much (?:is|are|would be)|the (?:value|result|answer|product|sum|amount) of|:|,)\s*)+"
    );
    text = lead.replace(&text, "").into_owned();
    let rewrite: [(&regex::Regex, &str); 17] = [
        (
            regex!(
                r"(?i)^how many ([a-zµ°^0-9 ]+?) (?:are (?:there )?in|is|are|in|does|make(?: up)?|equals?) (.+?)(?: have| make| equal)?$"
            ),
            "$2 to $1",
        ),
        (regex!(r"(?i)\b(?:the )?square root of\b|\bsqrt of\b"), "sqrt "),
        (regex!(r"^\(?(-?[\d.]+)\)? of sqrt\b"), "sqrt $1"),
        (regex!(r"(?i)\b(?:the )?cube root of\b"), "cbrt "),
        (regex!(r"(?i)\bto (\d+) (?:decimal places?|decimals?|places?|dp)\b"), "to $1 dp"),
        (regex!(r"(?i)\b(\d+(?:\.\d+)?)\s*(?:percent|per cent)\b"), "$1%"),
        (regex!(r"(?i)\b(?:an? )?half of\b"), "0.5 * "),
        (regex!(r"(?i)\b(?:multiplied by|times)\b|(?:\s)x(?:\s)"), " * "),
        (regex!(r"(?i)\b(?:divided by|over)\b"), " / "),
        (regex!(r"(?i)\bplus\b|\badded to\b"), " + "),
        (regex!(r"(?i)\bminus\b"), " - "),
        (regex!(r"(?i)\bto the power of\b|\braised to\b"), "^"),
        (regex!(r"(?i)\bsquared\b"), "^2"),
        (regex!(r"(?i)\bcubed\b"), "^3"),
        (regex!(r"(?i)\b(?:in|into|as|in terms of|expressed in)\s+([a-zµ°][a-z°^/ 0-9]*)$"), "to $1"),
        (regex!(r"(?i)(\d)\s*(?:degrees? )?(?:celsius|centigrade)\b"), "$1 °C"),
        (regex!(r"(?i)(\d)\s*(?:degrees? )?fahrenheit\b"), "$1 °F"),
    ];
    for (pattern, with) in rewrite {
        text = pattern.replace_all(&text, with).into_owned();
    }
    text = regex!(r"(?i)\bto (?:degrees? )?(?:celsius|centigrade)\b").replace(&text, "to °C").into_owned();
    text = regex!(r"(?i)\bto (?:degrees? )?fahrenheit\b").replace(&text, "to °F").into_owned();
    text = regex!(r"(?i)\bkilomet(?:er|re)s?\b").replace_all(&text, "km").into_owned();
    // Chinese puts the whole before the part: "240 km of 15%".
    text = regex!(r"(\(?[\d.]+\)?\s*[A-Za-z]*)\s+of\s+([\d.]+)%").replace(&text, "($2 / 100) * ($1)").into_owned();
    text = regex!(r"([\d.]+)%\s*(?:of|\*)\s*(?:the )?").replace_all(&text, "($1 / 100) * ").into_owned();
    text = regex!(r"(.+?)\s+(?:increased by|raised by|\+)\s+([\d.]+)%$")
        .replace(&text, "($1) * (1 + $2 / 100)")
        .into_owned();
    text = regex!(r"(.+?)\s+(?:decreased by|reduced by|less|-)\s+([\d.]+)%$")
        .replace(&text, "($1) * (1 - $2 / 100)")
        .into_owned();
    text = regex!(r"(?i)\s*\bto\s*$").replace(&text, "").into_owned();
    text = regex!(r"(?i)(?:^|\s+)by ([\d.]+)$").replace(&text, " * $1").into_owned();
    regex!(r"\s+").replace_all(text.trim(), " ").into_owned()
}
