use std::{path::Path, time::Duration};

use qsef_core::{Error, Result};
use serde::Deserialize;
use toml::Spanned;

use crate::{
    endpoint::{Endpoint, variable},
    table::{ModelFacts, Table},
};

/// Where models are, and how they are called.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The servers; all have the same models. Requests are spread over them by weight, and one that fails rests.
    pub endpoints: Vec<Endpoint>,
    /// How often a call is repeated at most, after a failure that may pass.
    pub retries: u32,
    /// The longest silence of a server, before or in an answer.
    pub idle_timeout: Duration,
    /// The most requests in any minute.
    pub requests_per_minute: Option<u64>,
    /// The most tokens in any minute: prompts and answers.
    pub tokens_per_minute: Option<u64>,
    pub(crate) models: Table,
}

/// `openai.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    endpoints: Vec<Spanned<FileEndpoint>>,
    retries: Option<u32>,
    idle_timeout_s: Option<u32>,
    requests_per_minute: Option<u64>,
    tokens_per_minute: Option<u64>,
    models: Table,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEndpoint {
    base_url: String,
    /// The variable of the environment that holds the key.
    key_env: Option<String>,
    /// The file that holds it.
    key_file: Option<String>,
    weight: Option<f64>,
}

impl Settings {
    /// One endpoint and the defaults: 2 repetitions, 5 minutes of silence (a long prompt on a slow server), no limits.
    pub fn new(endpoint: Endpoint) -> Self {
        Self::with_endpoints(vec![endpoint])
    }

    fn with_endpoints(endpoints: Vec<Endpoint>) -> Self {
        Self {
            endpoints,
            retries: 2,
            idle_timeout: Duration::from_secs(300),
            requests_per_minute: None,
            tokens_per_minute: None,
            models: Table::builtin(),
        }
    }

    /// What a file says, where it is there, and the endpoint of the environment (see [`Endpoint::from_env`]) where `OPENAI_BASE_URL`
    /// is set or the file has none:
    ///
    /// ```toml
    /// retries = 2
    /// idle_timeout_s = 300
    /// requests_per_minute = 500
    /// tokens_per_minute = 200_000
    ///
    /// [[endpoints]]
    /// base_url = "http://gpu1:8000/v1"
    /// weight = 2.0
    /// [[endpoints]]
    /// base_url = "https://api.example.com/v1"
    /// key_env = "EXAMPLE_KEY"          # or key_file = "/run/secrets/example"
    ///
    /// [models."gpt-5.4-mini"]          # US dollars per 10⁶ tokens
    /// input = 0.75
    /// cached = 0.075                   # as input where not given
    /// output = 4.5
    /// context_tokens = 400_000
    /// accepts = ["text", "image"]
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::File`] naming the line, and those of the endpoint.
    pub fn load(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::io("read", path, error)),
        };
        let at = |span: Option<std::ops::Range<usize>>, message: String| Error::File {
            path: path.to_owned(),
            line: span.map(|span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1),
            field: None,
            message,
        };
        let file: File = toml::from_str(&text).map_err(|e| at(e.span(), e.message().to_owned()))?;
        let endpoints = if file.endpoints.is_empty() || variable("OPENAI_BASE_URL").is_some() {
            vec![Endpoint::from_env()?]
        } else {
            let read = |one: &Spanned<FileEndpoint>| {
                one.get_ref().endpoint().map_err(|error| at(Some(one.span()), error.to_string()))
            };
            file.endpoints.iter().map(read).collect::<Result<_>>()?
        };
        let defaults = Self::with_endpoints(endpoints);
        Ok(Self {
            retries: file.retries.unwrap_or(defaults.retries),
            idle_timeout: file.idle_timeout_s.map_or(defaults.idle_timeout, |s| Duration::from_secs(s.into())),
            requests_per_minute: file.requests_per_minute,
            tokens_per_minute: file.tokens_per_minute,
            models: defaults.models.with(file.models),
            endpoints: defaults.endpoints,
        })
    }

    /// Says what a model costs and can do, in place of what the table tells.
    pub fn with_model(mut self, name: &str, facts: ModelFacts) -> Self {
        self.models = self.models.with(Table::of(name, facts));
        self
    }
}

impl FileEndpoint {
    fn endpoint(&self) -> Result<Endpoint> {
        let weight = self.weight.unwrap_or(1.0);
        if !(weight.is_finite() && weight > 0.0) {
            return Err(Error::Input("weight must be a number above 0".into()));
        }
        let endpoint = Endpoint::new(&self.base_url)?.with_weight(weight);
        match (&self.key_env, &self.key_file) {
            (Some(name), _) => match variable(name) {
                Some(key) => endpoint.with_key(key),
                None => Err(Error::Input(format!("key_env: the variable {name} is not set"))),
            },
            (None, Some(file)) => endpoint.with_key_file(Path::new(file)),
            (None, None) => Ok(endpoint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Settings> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), "secret\n").unwrap();
        let path = dir.path().join("openai.toml");
        std::fs::write(&path, text.replace("DIR", dir.path().to_str().unwrap())).unwrap();
        Settings::load(&path)
    }

    #[test]
    fn a_file_says_where_models_are_and_what_they_cost() {
        let settings = load(
            "retries = 5\ntokens_per_minute = 10_000\n[[endpoints]]\nbase_url = \"http://a/v1\"\nweight = 2.0\n\
             [[endpoints]]\nbase_url = \"http://b/v1\"\nkey_file = \"DIR/key\"\n[models.mine]\ninput = 2.0\noutput = 8.0\n",
        )
        .unwrap();
        assert_eq!((settings.retries, settings.tokens_per_minute, settings.endpoints.len()), (5, Some(10_000), 2));
        assert_eq!(settings.models.facts("mine").price().cached, 2.0);
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named_with_its_line() {
        for (text, words) in [
            ("retries = 1\nretry = 2", ":2: unknown field `retry`"),
            ("\n[[endpoints]]\nbase_url = \"gpu1\"", ":2: `gpu1` is no base URL"),
            ("[[endpoints]]\nbase_url = \"http://a\"\nkey_env = \"QSEF_NOT_SET\"", "QSEF_NOT_SET is not set"),
            ("[[endpoints]]\nbase_url = \"http://a\"\nweight = 0", "weight must be"),
            ("[[endpoints]]\nbase_url = \"http://a\"\nkey_file = \"/not/there\"", "/not/there"),
            ("[models.m]\ninput = -1", ":2: "),
        ] {
            let error = load(text).unwrap_err();
            assert!(matches!(error, Error::File { .. }) && error.to_string().contains(words), "{error}");
        }
    }
}
