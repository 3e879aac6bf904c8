//! A language model's answers, on disk as they come: what was interrupted asks for the rest alone.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use qsef_core::{Error, Result};

use super::stored::{Head, Line};

/// Answers to texts: the log-probability of each class. The file is one of stored logits, see [`super::read_logits`].
pub(crate) struct Answers {
    file: File,
    path: PathBuf,
    known: HashMap<String, Vec<f32>>,
}

impl Answers {
    /// Opens a file, or begins one.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::File`] with the line for what is no answer.
    pub fn open(path: &Path, labels: &[String]) -> Result<Self> {
        let failed = |what| move |e| Error::io(what, path, e);
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed("open"))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read"))?;
        // A line that was being written when the program ended is asked for again.
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        file.set_len(bytes.len() as u64).map_err(failed("write"))?;
        let mut answers = Self { file, path: path.to_owned(), known: HashMap::new() };
        if bytes.is_empty() {
            answers.write(&Head { labels: labels.to_vec() })?;
            return Ok(answers);
        }
        for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')).skip(1).filter(|(_, line)| !line.is_empty())
        {
            let bad = |message: String| Error::File {
                path: path.into(),
                line: Some(number),
                field: Some("top".into()),
                message: format!("{message}; remove the file to ask anew"),
            };
            let line: Line = serde_json::from_slice(line).map_err(|e| bad(e.to_string()))?;
            if line.top.len() != labels.len() {
                return Err(bad(format!("{} classes are there, and {} are needed", line.top.len(), labels.len())));
            }
            answers.known.insert(line.text, line.top.into_iter().map(|(_, p)| p).collect());
        }
        Ok(answers)
    }

    /// The answer to a text.
    pub fn get(&self, text: &str) -> Option<&Vec<f32>> {
        self.known.get(text)
    }

    /// Adds one.
    ///
    /// # Errors
    /// [`Error::Io`], as where the disk is full.
    pub fn add(&mut self, text: &str, answer: Vec<f32>) -> Result<()> {
        self.write(&Line { text: text.to_owned(), top: answer.iter().copied().enumerate().collect() })?;
        self.known.insert(text.to_owned(), answer);
        Ok(())
    }

    fn write(&mut self, line: &impl serde::Serialize) -> Result<()> {
        let mut bytes = serde_json::to_vec(line).map_err(|e| Error::Internal(e.to_string()))?;
        bytes.push(b'\n');
        self.file.write_all(&bytes).map_err(|e| Error::io("write", &self.path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("teacher/said.jsonl");
        let labels = ["a", "b"].map(str::to_owned);
        let mut answers = Answers::open(&path, &labels).unwrap();
        answers.add("one", vec![-0.1234567, -3.0]).unwrap();
        answers.add("zwei ü", vec![-2.0, 0.1]).unwrap();
        drop(answers);
        // Killed within a letter of the last line.
        let whole = std::fs::read(&path).unwrap();
        let torn = whole.windows(2).position(|pair| pair == "ü".as_bytes()).unwrap() + 1;
        std::fs::write(&path, &whole[..torn]).unwrap();
        let mut answers = Answers::open(&path, &labels).unwrap();
        assert_eq!((answers.get("one"), answers.get("zwei ü")), (Some(&vec![-0.1234567, -3.0]), None));
        answers.add("zwei ü", vec![-2.0, 0.1]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole);

        let error = Answers::open(&path, &labels[..1]).err().unwrap().to_string();
        assert!(error.contains("said.jsonl:2 (top): 2 classes") && error.contains("remove the file"), "{error}");
    }
}
