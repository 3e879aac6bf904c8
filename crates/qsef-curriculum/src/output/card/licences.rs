//! The licences of rows, as a card names them.

use std::collections::BTreeSet;

/// Identifiers that cards may name; all others are `other`, with a name.
const KNOWN: [&str; 36] = [
    "afl-3.0",
    "agpl-3.0",
    "apache-2.0",
    "artistic-2.0",
    "bsd-2-clause",
    "bsd-3-clause",
    "bsl-1.0",
    "cc-by-2.0",
    "cc-by-2.5",
    "cc-by-3.0",
    "cc-by-4.0",
    "cc-by-nc-2.0",
    "cc-by-nc-3.0",
    "cc-by-nc-4.0",
    "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0",
    "cc-by-sa-3.0",
    "cc-by-sa-4.0",
    "cc0-1.0",
    "cdla-permissive-2.0",
    "cdla-sharing-1.0",
    "etalab-2.0",
    "gfdl",
    "gpl-2.0",
    "gpl-3.0",
    "isc",
    "lgpl-3.0",
    "mit",
    "mpl-2.0",
    "odbl",
    "odc-by",
    "openrail",
    "pddl",
    "unlicense",
    "wtfpl",
];

/// The licences of all rows.
pub(super) struct Licences {
    named: BTreeSet<String>,
    /// Whether some rows name none.
    some_unnamed: bool,
}

impl Licences {
    /// Of the names that rows give; an empty one is none.
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut named: BTreeSet<String> = names.map(id).collect();
        let some_unnamed = named.remove("");
        Self { named, some_unnamed }
    }

    /// The identifier for the header, and the name that `other` needs.
    pub(super) fn entry(&self) -> (String, Option<String>) {
        let mut names = self.named.iter().cloned();
        match (names.next(), names.next(), self.some_unnamed) {
            (None, ..) => ("unknown".into(), None),
            (Some(only), None, false) if KNOWN.contains(&only.as_str()) => (only, None),
            _ => {
                let unnamed = self.some_unnamed.then(|| "unknown".to_owned());
                let names: Vec<String> = self.named.iter().cloned().chain(unnamed).collect();
                ("other".into(), Some(names.join("-and-")))
            }
        }
    }

    /// The same in words.
    pub(super) fn sentence(&self) -> String {
        let names: Vec<&str> = self.named.iter().map(String::as_str).collect();
        let rest = if self.some_unnamed { ", and some name none: ask before you pass these on" } else { "" };
        match names.as_slice() {
            [] => "No row names a licence: ask the sources before you pass the data on.".into(),
            names => format!("Rows are under the licences of their sources: {}{rest}.", names.join(", ")),
        }
    }
}

/// In lower case, with `-` for all but letters, digits and dots.
fn id(licence: &str) -> String {
    let lower = licence.trim().to_lowercase();
    let parts = lower.split(|c: char| !c.is_alphanumeric() && c != '.');
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn licences(named: &[&str], some_unnamed: bool) -> Licences {
        Licences { named: named.iter().map(|name| id(name)).collect(), some_unnamed }
    }

    #[test]
    fn one_licence_is_named_and_several_are_other() {
        assert_eq!(licences(&["CC BY-SA 4.0"], false).entry(), ("cc-by-sa-4.0".into(), None));
        assert_eq!(
            licences(&["MIT", "Apache-2.0"], false).entry(),
            ("other".into(), Some("apache-2.0-and-mit".into()))
        );
        assert_eq!(licences(&["MIT"], true).entry(), ("other".into(), Some("mit-and-unknown".into())));
        assert_eq!(licences(&["校内使用: \"x\"\n"], false).entry(), ("other".into(), Some("校内使用-x".into())));
        assert_eq!(licences(&[], true).entry(), ("unknown".into(), None));
        assert!(KNOWN.is_sorted());
    }
}
