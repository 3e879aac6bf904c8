use std::path::Path;

use async_openai::config::Config;
use qsef_core::{Error, Result};
use reqwest::{
    Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};

/// OpenAI's own API.
const OPENAI: &str = "https://api.openai.com/v1";

/// A server that speaks OpenAI's API, and the key for it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    base_url: String,
    /// How messages name it: without what a URL may hold of secrets.
    pub(crate) name: String,
    key: SecretString,
    headers: HeaderMap,
    pub(crate) weight: f64,
}

impl Endpoint {
    /// The endpoint at a base URL, which for most servers ends in `/v1`.
    ///
    /// # Errors
    /// [`Error::Input`] for what is no http or https URL.
    pub fn new(base_url: &str) -> Result<Self> {
        let base_url = base_url.trim().trim_end_matches('/');
        let url = Url::parse(base_url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(mut name) = url else {
            let shape = "a base URL is like http://localhost:8000/v1";
            return Err(Error::Input(format!("`{base_url}` is no base URL of an API: {shape}")));
        };
        // Neither fails for a URL with a host.
        let _ = (name.set_username(""), name.set_password(None));
        name.set_query(None);
        let name = name.as_str().trim_end_matches('/').to_owned();
        let (base_url, key) = (base_url.to_owned(), SecretString::default());
        Ok(Self { base_url, name, key, headers: HeaderMap::new(), weight: 1.0 })
    }

    /// The endpoint of the environment: `OPENAI_BASE_URL` (default: OpenAI's own), with the key in `OPENAI_API_KEY`, or in the
    /// file that `OPENAI_API_KEY_FILE` names.
    ///
    /// # Errors
    /// [`Error::Input`] where the URL or the key is none, and for OpenAI's own API without a key; [`Error::Io`] for the file.
    pub fn from_env() -> Result<Self> {
        let endpoint = Self::new(&variable("OPENAI_BASE_URL").unwrap_or_else(|| OPENAI.to_owned()))?;
        match (variable("OPENAI_API_KEY"), variable("OPENAI_API_KEY_FILE")) {
            (Some(key), _) => endpoint.with_key(key),
            (None, Some(file)) => endpoint.with_key_file(Path::new(&file)),
            (None, None) if endpoint.base_url == OPENAI => Err(Error::Input(
                "there is no key for OpenAI's API: set OPENAI_API_KEY, or OPENAI_API_KEY_FILE to a file that holds it; for \
                 another server, set OPENAI_BASE_URL, such as http://localhost:8000/v1"
                    .into(),
            )),
            (None, None) => Ok(endpoint),
        }
    }

    /// With a key.
    ///
    /// # Errors
    /// [`Error::Input`] for a text that cannot stand in a header.
    pub fn with_key(mut self, key: impl Into<SecretString>) -> Result<Self> {
        let key = SecretString::from(key.into().expose_secret().trim());
        let mut header = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))
            .map_err(|_| Error::Input(format!("the key for {} has characters that no key has", self.name)))?;
        header.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, header);
        self.key = key;
        Ok(self)
    }

    /// With the key that a file holds.
    ///
    /// # Errors
    /// As [`Endpoint::with_key`], and [`Error::Io`].
    pub fn with_key_file(self, path: &Path) -> Result<Self> {
        let key = std::fs::read_to_string(path).map_err(|e| Error::io("read the key in", path, e))?;
        self.with_key(key)
    }

    /// With the share of the requests that it gets, in proportion to those of the other endpoints; 1 where not set.
    pub fn with_weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }
}

/// A variable of the environment that is not blank.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

impl Config for Endpoint {
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base_url
    }

    fn api_key(&self) -> &SecretString {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_shown_nowhere() {
        let endpoint = Endpoint::new("http://me:hush@host:8000/v1/?token=hush").unwrap().with_key("hush\n").unwrap();
        assert_eq!(endpoint.name, "http://host:8000/v1");
        assert_eq!(endpoint.headers()[AUTHORIZATION], "Bearer hush");
        let shown = format!("{:?}", endpoint.headers()) + &format!("{:?}", endpoint.key);
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn what_is_no_url_or_key_is_refused() {
        for text in ["", "localhost:8000", "ftp://host", "http://"] {
            assert!(matches!(Endpoint::new(text), Err(Error::Input(_))), "{text}");
        }
        let error = Endpoint::new("http://host/v1").unwrap().with_key("a\nhush").unwrap_err().to_string();
        assert!(!error.contains("hush") && error.contains("http://host/v1"), "{error}");
    }
}
