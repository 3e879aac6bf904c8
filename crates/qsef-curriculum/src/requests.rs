//! Requests to models: each is paid for once, at most so many at a time, and again where a server was cut off.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use qsef_core::{AnyModel, Error, FinishReason, Generation, OutputFormat, Part, Request, Result, TokenLogprob, Usage};
use qsef_sqlite::Schema;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

/// How often a request is sent at most, where the server is not available.
const TRIES: u32 = 6;
/// The first wait between two tries; each is twice the one before.
const WAIT: Duration = Duration::from_millis(500);

const SCHEMA: Schema<'static> = Schema {
    what: "request cache",
    application_id: i64::from_be_bytes([0, 0, 0, 0, b'q', b's', b'r', b'q']),
    steps: &["CREATE TABLE answers (key BLOB PRIMARY KEY, answer TEXT NOT NULL) STRICT, WITHOUT ROWID;"],
    // What the process has written outlives it; a loss of power may cost the last answers, which are asked for again.
    pragmas: "PRAGMA synchronous = NORMAL;",
    patience: Duration::from_secs(10),
};

/// Answers by what was asked: a file that several jobs and processes share, and that changes of this program do not touch.
pub struct Cache {
    path: std::path::PathBuf,
    connection: Mutex<Connection>,
}

impl Cache {
    /// The file's name in the home directory.
    pub const FILE_NAME: &str = "requests.sqlite3";

    /// Opens a file, and makes it where there is none.
    ///
    /// # Errors
    /// [`Error::File`] for a file that is none, [`Error::Io`] where it cannot be used.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), connection: Mutex::new(SCHEMA.open(path)?) })
    }

    /// One that lives as long as the job.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no memory for it.
    pub fn in_memory() -> Result<Self> {
        Ok(Self { path: ":memory:".into(), connection: Mutex::new(SCHEMA.in_memory()?) })
    }

    fn get(&self, key: &[u8]) -> Result<Option<String>> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let found = connection
            .prepare_cached("SELECT answer FROM answers WHERE key = ?1")
            .and_then(|mut statement| statement.query_row([key], |row| row.get(0)).optional());
        found.map_err(|e| SCHEMA.failed(&self.path, e))
    }

    fn put(&self, key: &[u8], answer: &str) -> Result<()> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let done = connection
            .prepare_cached("INSERT OR REPLACE INTO answers (key, answer) VALUES (?1, ?2)")
            .and_then(|mut statement| statement.execute((key, answer)));
        done.map(drop).map_err(|e| SCHEMA.failed(&self.path, e))
    }
}

/// An answer, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub text: String,
    pub usage: Usage,
    pub finish: FinishReason,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<TokenLogprob>,
}

impl From<Generation> for Asked {
    fn from(generation: Generation) -> Self {
        let Generation { text, usage, finish, logprobs, .. } = generation;
        Self { text, usage, finish, logprobs }
    }
}

/// What was asked for so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counted {
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that were answered from the cache.
    pub cached: u64,
}

/// A model behind a cache and a limit.
pub(crate) struct Asker {
    model: AnyModel,
    cache: Cache,
    places: Semaphore,
    counted: Mutex<Counted>,
}

impl Asker {
    pub fn new(model: AnyModel, cache: Cache, concurrency: usize) -> Self {
        Self { model, cache, places: Semaphore::new(concurrency.max(1)), counted: Mutex::default() }
    }

    pub fn model(&self) -> &AnyModel {
        &self.model
    }

    pub fn counted(&self) -> Counted {
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, cached: bool) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if cached {
            counted.cached += 1;
        } else {
            counted.sent += 1;
        }
    }

    /// A model's answer to a request, from the cache where it is there. The model is the writer or the judge: both are behind this
    /// cache and this limit.
    ///
    /// # Errors
    /// The model's own; [`Error::Unavailable`] where that lasts.
    pub async fn ask(&self, model: &AnyModel, request: Request) -> Result<Asked> {
        let key = key(&model.info().name, &request);
        // An answer that does not read is asked for again.
        if let Some(answer) = self.cache.get(&key)?.and_then(|text| serde_json::from_str::<Asked>(&text).ok()) {
            self.count(true);
            return Ok(answer);
        }
        let place = self.places.acquire().await.map_err(|e| Error::Internal(e.to_string()))?;
        let mut wait = WAIT;
        for tried in 1.. {
            match model.generate(request.clone()).await {
                Ok(generation) => {
                    // The server does not wait for what is kept of its answer.
                    drop(place);
                    let answer = Asked::from(generation);
                    let text = serde_json::to_string(&answer).map_err(|e| Error::Internal(e.to_string()))?;
                    self.cache.put(&key, &text)?;
                    self.count(false);
                    return Ok(answer);
                }
                Err(error @ (Error::Unavailable { .. } | Error::TimedOut { .. })) if tried < TRIES => {
                    let asked = if let Error::Unavailable { retry_after, .. } = &error { *retry_after } else { None };
                    tracing::warn!("{error}; trying again");
                    tokio::time::sleep(asked.unwrap_or(wait)).await;
                    wait *= 2;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Internal("no try was made".into()))
    }
}

/// What tells one request from another: the model, what it is asked, and how it is to answer.
fn key(model: &str, request: &Request) -> Vec<u8> {
    let mut hash = Sha256::new();
    let mut put = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    put(model);
    for message in &request.messages {
        put(message.role.as_str());
        for part in &message.parts {
            match part {
                Part::Text(text) => put(text),
                other => put(&serde_json::to_string(other).unwrap_or_default()),
            }
        }
    }
    match &request.format {
        OutputFormat::JsonSchema(schema) => put(&schema.to_string()),
        _ => put("text"),
    }
    let Request { max_tokens, temperature, seed, top_logprobs, .. } = request;
    // The sampler's seed tells nothing where nothing is sampled.
    let seed = if *temperature > 0.0 { *seed } else { 0 };
    put(&format!("{max_tokens} {temperature} {seed} {top_logprobs}"));
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use qsef_core::{Message, test_util::ScriptedModel};

    use super::*;

    #[tokio::test]
    async fn what_was_answered_is_not_asked_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/requests.sqlite3");
        let ask = |model: &ScriptedModel, request: Request| {
            let asker = Asker::new(AnyModel::new(model.clone()), Cache::open(&path).unwrap(), 4);
            async move { (asker.ask(asker.model(), request).await.unwrap().text, asker.counted()) }
        };
        let model = ScriptedModel::answers(["one", "two", "three"]);
        let request = Request::new(vec![Message::user("Hello")]);
        assert_eq!(ask(&model, request.clone()).await.0, "one");
        let (text, counted) = ask(&model, request.clone()).await;
        assert_eq!((text.as_str(), counted.sent, counted.cached), ("one", 0, 1));
        let mut seeded = request.clone();
        seeded.seed = 5;
        assert_eq!(ask(&model, seeded.clone()).await.0, "one", "a seed without sampling tells nothing");
        seeded.temperature = 0.5;
        assert_eq!(ask(&model, seeded).await.0, "two");
        assert_eq!(ask(&model, request.max_tokens(5)).await.0, "three");
        assert_eq!(model.requests().len(), 3);
    }

    #[tokio::test]
    async fn a_server_that_comes_back_is_asked_again_and_other_errors_are_told() {
        let tried = std::sync::Arc::new(AtomicU32::new(0));
        let seen = tried.clone();
        let model = ScriptedModel::new(move |request| {
            let number = seen.fetch_add(1, Ordering::Relaxed);
            if request.max_tokens == 7 {
                return Err(Error::Input("no".into()));
            }
            match number {
                0 | 1 => Err(Error::Unavailable {
                    what: "x".into(),
                    message: "busy".into(),
                    retry_after: Some(Duration::from_millis(1)),
                }),
                _ => Ok("there".into()),
            }
        });
        let asker = Asker::new(AnyModel::new(model), Cache::in_memory().unwrap(), 1);
        let request = Request::new(vec![Message::user("Hello")]);
        assert_eq!(asker.ask(asker.model(), request.clone()).await.unwrap().text, "there");
        assert_eq!(tried.load(Ordering::Relaxed), 3);
        assert!(matches!(asker.ask(asker.model(), request.max_tokens(7)).await, Err(Error::Input(_))));
        assert_eq!(tried.load(Ordering::Relaxed), 4);
    }
}
