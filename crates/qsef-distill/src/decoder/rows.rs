use std::path::Path;

use qsef_candle::decoder::DecoderFile;
use qsef_core::{Error, Message, Result};
use qsef_eval::read_jsonl;
use serde::Deserialize;

/// A conversation as tokens, of which the answer is learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its id; its line's number where it has none.
    pub id: String,
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// Where the answer begins.
    pub from: usize,
}

/// Conversations of a file, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    /// Those that are learned.
    pub rows: Vec<Row>,
    /// Those that are too long.
    pub left_out: usize,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: Option<String>,
    messages: Vec<Turn>,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: String,
}

impl Row {
    /// Places after which a token of the answer follows, and these tokens.
    pub fn answer(&self) -> (Vec<u32>, &[u32]) {
        let places = (self.from..self.tokens.len()).map(|at| at as u32 - 1);
        (places.collect(), self.tokens.get(self.from..).unwrap_or_default())
    }
}

impl Rows {
    /// Reads JSON lines `{"id"?,"messages":[{"role","content"}]}`, such as a curriculum's, as tokens of a model. The last message is
    /// the answer. Rows of more than `most` tokens are left out.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::File`] with line and field for a row that does not read, and where no row is left.
    pub fn read(path: &Path, model: &DecoderFile, most: usize) -> Result<Self> {
        let mut read = Self::default();
        for (number, line) in read_jsonl::<Line>(path)? {
            let bad = |message: String| Error::File {
                path: path.into(),
                line: Some(number),
                field: Some("messages".into()),
                message,
            };
            let messages = line.messages.into_iter().map(|turn| match turn.role.as_str() {
                "system" => Ok(Message::system(turn.content)),
                "user" => Ok(Message::user(turn.content)),
                "assistant" => Ok(Message::assistant(turn.content)),
                role => Err(bad(format!("`{role}` is no role; system, user and assistant are"))),
            });
            let messages = messages.collect::<Result<Vec<Message>>>()?;
            let Some((answer, prompt)) = messages.split_last().filter(|(_, prompt)| !prompt.is_empty()) else {
                return Err(bad("a prompt and an answer are needed".into()));
            };
            if answer.role.as_str() != "assistant" {
                return Err(bad("the last one is to be the assistant's".into()));
            }
            let from = model.encode(prompt, true)?;
            let mut tokens = model.encode(&messages, false)?;
            if !tokens.starts_with(&from) {
                return Err(bad("the model's template changes the prompt once the answer is there".into()));
            }
            let from = from.len();
            // What follows the end of the answer is the template's.
            let end = tokens.iter().skip(from).position(|token| model.stops().contains(token));
            tokens.truncate(end.map_or(tokens.len(), |end| from + end + 1));
            if from == 0 || tokens.len() <= from {
                return Err(bad("the answer is empty".into()));
            }
            if tokens.len() > most {
                read.left_out += 1;
                continue;
            }
            read.rows.push(Row { id: line.id.unwrap_or_else(|| number.to_string()), tokens, from });
        }
        if read.rows.is_empty() {
            let count = read.left_out;
            let message = format!("all {count} rows have more than {most} tokens; max_tokens allows more");
            return Err(Error::File { path: path.into(), line: None, field: Some("messages".into()), message });
        }
        Ok(read)
    }
}
