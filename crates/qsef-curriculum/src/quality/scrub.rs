//! Personal data and secrets, replaced by what they are.

mod checks;

use std::borrow::Cow;

use regex::{Captures, Regex};

/// A kind of data with its pattern: the group of a pattern is what is replaced, or else all of it.
struct Rule {
    kind: &'static str,
    mark: &'static str,
    pattern: &'static Regex,
    /// What a find has to be, besides its pattern.
    is: fn(&str, &Around<'_>) -> bool,
}

/// What stands around a find.
struct Around<'a> {
    before: &'a str,
    after: &'a str,
}

fn always(_: &str, _: &Around<'_>) -> bool {
    true
}

/// The rules, in the order in which they are applied: what holds others comes first, and what needs a checksum before
/// what is guessed from its form.
fn rules() -> [Rule; 12] {
    let rule = |kind, mark, pattern, is| Rule { kind, mark, pattern, is };
    [
        rule(
            "private key",
            "[PRIVATE_KEY]",
            regex!(
                r"(?s)-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----|\z)"
            ),
            always,
        ),
        rule("token", "[TOKEN]", regex!(r"(?-u:\b)eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"), always),
        rule(
            "key",
            "[KEY]",
            regex!(
                r"(?x)(?-u:\b)(?: (?:AKIA|ASIA)[0-9A-Z]{16} | gh[pousr]_[A-Za-z0-9]{36,} | github_pat_[A-Za-z0-9_]{40,}
                | xox[abeprs]-[A-Za-z0-9-]{10,} | sk-(?:proj-|ant-|svcacct-)?[A-Za-z0-9_-]{20,} | AIza[0-9A-Za-z_-]{35}
                | [sr]k_(?:live|test)_[0-9A-Za-z]{16,} | glpat-[A-Za-z0-9_-]{20,} | hf_[A-Za-z0-9]{30,} | npm_[A-Za-z0-9]{36} )"
            ),
            always,
        ),
        rule(
            "password",
            "[SECRET]",
            regex!(
                r#"(?ix)(?:(?:(?-u:\b)|_)(?:password|passwd|pwd|api[_-]?key|secret(?:[_-]?(?:access[_-]?)?key)?|access[_-]?token|auth[_-]?token|client[_-]?secret)|密码|口令)
                ["']?\s*(?:=|:=|:|：)\s*["'“]?([^\s"'“”,;，；。]{6,})"#
            ),
            checks::is_secret,
        ),
        rule(
            "e-mail",
            "[EMAIL]",
            regex!(
                r"[A-Za-z0-9][A-Za-z0-9._%+-]*@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}"
            ),
            always,
        ),
        rule(
            "bank account",
            "[IBAN]",
            regex!(r"(?-u:\b)[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?-u:\b)"),
            checks::is_iban,
        ),
        rule(
            "identity number",
            "[ID]",
            regex!(r"[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]"),
            checks::is_resident_id,
        ),
        rule("card number", "[CARD]", regex!(r"[0-9](?:[ -]?[0-9]){12,18}"), checks::is_card),
        rule("social security number", "[SSN]", regex!(r"[0-9]{3}-[0-9]{2}-[0-9]{4}"), checks::is_ssn),
        rule("IP address", "[IP]", regex!(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"), checks::is_ipv4),
        rule("IP address", "[IP]", regex!(r"[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*[0-9A-Fa-f:]"), checks::is_ipv6),
        rule(
            "phone number",
            "[PHONE]",
            regex!(
                r"(?x) \+[0-9]{1,3}[\ .-]?(?:\(0?[0-9]{1,4}\)[\ .-]?)?[0-9]{1,4}(?:[\ .-]?[0-9]{2,4}){1,4} # international
                | (?:\+?86[\ -]?)?1[3-9][0-9](?:[\ -]?[0-9]{4}){2}                       # Chinese mobile
                | \(0?[0-9]{2,4}\)[\ -]?[0-9]{3,4}[\ .-][0-9]{4}                         # (212) 555-0123
                | (?:1[\ .-])?[2-9][0-9]{2}[.-][2-9][0-9]{2}[.-][0-9]{4}                 # 212-555-0123
                | 0[0-9]{2,3}-[0-9]{7,8}                                                # 010-12345678
                | 0[0-9]{2,4}\ [0-9]{3,4}\ [0-9]{3,4}                                    # 020 7946 0958"
            ),
            checks::is_phone,
        ),
    ]
}

/// Replaces personal data and secrets by `[EMAIL]`, `[PHONE]`, `[IP]`, `[IBAN]`, `[CARD]`, `[SSN]`, `[ID]`, `[KEY]`,
/// `[TOKEN]`, `[PRIVATE_KEY]` and `[SECRET]`, and says how many of each kind there were. Names of persons and addresses of
/// houses stay.
pub fn scrub(text: &str) -> (Cow<'_, str>, Vec<(&'static str, usize)>) {
    let mut scrubbed = Cow::Borrowed(text);
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    if !text.contains(|c: char| c.is_ascii_digit() || "@=:：".contains(c)) && !text.contains("-----BEGIN") {
        return (scrubbed, counts);
    }
    for rule in rules() {
        let (next, count) = apply(&rule, &scrubbed);
        if let Some(next) = next {
            scrubbed = Cow::Owned(next);
            match counts.iter_mut().find(|(kind, _)| *kind == rule.kind) {
                Some((_, all)) => *all += count,
                None => counts.push((rule.kind, count)),
            }
        }
    }
    (scrubbed, counts)
}

/// The text with what a rule finds replaced, and how often; none where it finds nothing.
fn apply(rule: &Rule, text: &str) -> (Option<String>, usize) {
    let (mut out, mut done, mut count) = (String::new(), 0, 0);
    for captures in rule.pattern.captures_iter(text) {
        let Some(found) = target(&captures) else { continue };
        let before = text.get(..found.start()).unwrap_or_default();
        let after = text.get(found.end()..).unwrap_or_default();
        if (rule.is)(found.as_str(), &Around { before, after }) {
            out.push_str(text.get(done..found.start()).unwrap_or_default());
            out.push_str(rule.mark);
            done = found.end();
            count += 1;
        }
    }
    out.push_str(text.get(done..).unwrap_or_default());
    ((count > 0).then_some(out), count)
}

fn target<'a>(captures: &Captures<'a>) -> Option<regex::Match<'a>> {
    captures.get(1).or_else(|| captures.get(0))
}

#[cfg(test)]
mod tests;
