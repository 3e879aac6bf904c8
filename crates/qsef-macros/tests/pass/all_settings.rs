//! Every argument, types of the application's own, and a visibility.

#![deny(missing_docs, warnings)]

use qsef::{Effects, Format};

/// Where to.
#[derive(serde::Deserialize, schemars::JsonSchema)]
pub struct Address {
    city: String,
}

/// Sends a letter
/// to a person.
#[qsef::expert(
    id = "post",
    examples = ["Send Ann a letter", "Post this"],
    domains = ["mail"],
    takes = ["text", { code = "rust" }],
    gives = ["json"],
    requires = ["order id"],
    provides = ["tracking number"],
    effects = "external",
    requires_approval = true,
    usd_per_mtok = 2,
    timeout_s = 1.5,
    max_concurrent = 3,
    trials = 4,
)]
pub async fn send_letter(
    /// Whom it goes to.
    address: Address,
    /// What it says.
    #[serde(default)]
    text: String,
    copies: Option<u8>,
) -> Result<String, std::fmt::Error> {
    Ok(format!("{} {text} {copies:?}", address.city))
}

fn main() {
    let profile = send_letter::profile();
    assert_eq!(profile.id, "post");
    assert_eq!(profile.description, "Sends a letter to a person.");
    assert_eq!(profile.examples, ["Send Ann a letter", "Post this"]);
    assert_eq!(profile.domains, ["mail"]);
    assert_eq!(profile.takes, [Format::Text, Format::Code("rust".into())]);
    assert_eq!(profile.gives, [Format::Json]);
    assert_eq!((profile.requires[0].as_str(), profile.provides[0].as_str()), ("order id", "tracking number"));
    assert_eq!((profile.effects, profile.requires_approval), (Effects::External, true));
    assert_eq!((profile.usd_per_mtok, profile.timeout_s), (2.0, Some(1.5)));
    assert_eq!((profile.max_concurrent, profile.trials), (Some(3), 4));
}
