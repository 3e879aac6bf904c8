use std::borrow::Cow;

use qsef_core::{Error, Result};
use regex::{NoExpand, Regex};
use serde_json::Value;

/// Shorter values of environment variables are no secrets, and stand in ordinary text.
const LEAST_SECRET: usize = 8;

/// Takes secrets out of what is recorded, and out of what a recording is compared with.
///
/// These are keys that begin with `sk-`, bearer tokens, the values of the environment variables whose names end in `_KEY`
/// or `_TOKEN` or contain `SECRET` or `PASSWORD`, the user's home directory, and what [`Scrubber::pattern`] adds.
#[derive(Debug, Clone)]
pub struct Scrubber(Vec<(Regex, String)>);

impl Scrubber {
    /// The usual secrets, those of this process's environment among them.
    ///
    /// # Errors
    /// [`Error::Internal`] for a value of the environment that is too long to look for.
    pub fn new() -> Result<Self> {
        // A name may hold anything; a value that is no text is in no text.
        let variables = std::env::vars_os().filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?)));
        Self::of(variables)
    }

    fn of(variables: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let mut literals = Vec::new();
        for (name, value) in variables {
            let upper = name.to_uppercase();
            let is_secret = upper.ends_with("_KEY")
                || upper.ends_with("_TOKEN")
                || upper.contains("SECRET")
                || upper.contains("PASSWORD");
            if is_secret && value.trim().len() >= LEAST_SECRET {
                literals.push((regex::escape(value.trim()), format!("[{upper}]")));
            } else if matches!(upper.as_str(), "HOME" | "USERPROFILE") && value.trim_end_matches(['/', '\\']).len() > 1
            {
                literals.push((format!(r"{}\b", regex::escape(value.trim_end_matches(['/', '\\']))), "[HOME]".into()));
            }
        }
        // One secret may be a part of another.
        literals.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.len()));
        literals.push((r"\bsk-[A-Za-z0-9_-]{16,}".into(), "[KEY]".into()));
        literals.push((r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{8,}".into(), "Bearer [TOKEN]".into()));
        let compile = |(pattern, with): (String, String)| {
            let pattern =
                Regex::new(&pattern).map_err(|e| Error::Internal(format!("cannot look for a secret: {e}")))?;
            Ok((pattern, with))
        };
        Ok(Self(literals.into_iter().map(compile).collect::<Result<_>>()?))
    }

    /// Replaces what matches a regular expression, too. `with` is put in its place as it stands, and must not match itself.
    ///
    /// # Errors
    /// [`Error::Input`] for a pattern that cannot be read.
    pub fn pattern(mut self, pattern: &str, with: impl Into<String>) -> Result<Self> {
        let pattern = Regex::new(pattern).map_err(|e| Error::Input(format!("the pattern `{pattern}`: {e}")))?;
        self.0.push((pattern, with.into()));
        Ok(self)
    }

    /// A text without secrets.
    pub fn text(&self, text: &str) -> String {
        let replaced = self.0.iter().fold(Cow::Borrowed(text), |text, (pattern, with)| {
            match pattern.replace_all(&text, NoExpand(with)) {
                Cow::Borrowed(_) => text,
                Cow::Owned(replaced) => Cow::Owned(replaced),
            }
        });
        replaced.into_owned()
    }

    /// A document whose texts, names of fields included, are without secrets.
    pub(crate) fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => fields.into_iter().map(|(k, v)| (self.text(&k), self.value(v))).collect(),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_go_and_what_only_looks_alike_stays() {
        let variables = [
            ("MY_KEY", "hunter22-long"),
            ("db_password", "correct horse"),
            ("A_TOKEN", "short"),
            ("HOME", "/home/ann/"),
            ("CLIENT_SECRET_ID", "hunter22-long-and-more"),
        ];
        let variables = variables.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned()));
        let scrubber = Scrubber::of(variables).unwrap().pattern(r"\bID-\d+", "[$0 ID]").unwrap();
        for (text, expected) in [
            ("key sk-proj-abcdefghijklmnop1234 end", "key [KEY] end"),
            ("sk-learn and task-sk-1", "sk-learn and task-sk-1"),
            ("Authorization: bearer abc.DEF-123_456", "Authorization: Bearer [TOKEN]"),
            ("the bearer of news", "the bearer of news"),
            ("hunter22-long, hunter22-long-and-more", "[MY_KEY], [CLIENT_SECRET_ID]"),
            ("a correct horse is short", "a [DB_PASSWORD] is short"),
            ("/home/ann/x and /home/anna and /home/ann", "[HOME]/x and /home/anna and [HOME]"),
            ("ID-42", "[$0 ID]"),
        ] {
            assert_eq!(scrubber.text(text), expected);
            assert_eq!(scrubber.text(expected), expected, "what is scrubbed stays as it is");
        }
        let nested = scrubber.value(json!({"hunter22-long": ["x", {"y": "sk-abcdefghijklmnopq"}], "n": 1}));
        assert_eq!(nested, json!({"[MY_KEY]": ["x", {"y": "[KEY]"}], "n": 1}));
        assert!(scrubber.pattern("(", "").unwrap_err().to_string().contains("`(`"));
    }
}
