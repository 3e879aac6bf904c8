//! A whole job: read, filter, write tiers, arrange, put into a folder.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use futures::StreamExt;
use qsef_core::{AnyEmbedder, AnyModel, Error, Result};
use qsef_knowledge::KnowledgeBase;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Estimate, Generator, StudentProgress, arrange, folder::Folder};
use crate::{
    item::{Item, Rejected, Step},
    output::{self, Collected, Summary, TierInfo},
    prompts::{self, hex},
    quality::{Filter, most_diverse},
    requests::Cache,
    settings::Settings,
    source::{Read, Reading},
};

/// Texts that are embedded together.
const EMBEDDED: usize = 256;

/// A source.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// A file of JSON lines, a document, or a directory of both.
    Path(PathBuf),
    /// A file of topics, one in each line.
    Topics(PathBuf),
    /// All that a knowledge base holds.
    Knowledge(KnowledgeBase),
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Items that are done.
    pub done: usize,
    /// Items in all.
    pub total: usize,
    /// Items whose tiers were all accepted.
    pub accepted: usize,
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that were answered from the cache.
    pub cached: u64,
}

/// What to make, of what, with what.
#[derive(Debug)]
#[non_exhaustive]
pub struct Job {
    /// The sources.
    pub inputs: Vec<Input>,
    /// The folder.
    pub out: PathBuf,
    /// What to make.
    pub settings: Settings,
    /// Writes.
    pub model: AnyModel,
    /// Judges; the model that writes where there is none.
    pub judge: Option<AnyModel>,
    /// Measures distances.
    pub embedder: Option<AnyEmbedder>,
    /// The file of the request cache.
    pub cache: PathBuf,
    /// Requests at a time.
    pub concurrency: usize,
    /// Only the first items.
    pub limit: Option<usize>,
    /// A student's progress.
    pub progress: Option<PathBuf>,
    /// Whether to go on in the folder of this job.
    pub resume: bool,
}

/// What a job came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Done {
    /// What is in the folder.
    #[serde(flatten)]
    pub summary: Summary,
    /// Requests that were sent, those that were answered from the cache left out.
    pub requests: u64,
    /// Seconds that it took.
    pub elapsed_s: f64,
}

impl Job {
    /// With the usual settings.
    pub fn new(inputs: Vec<Input>, out: PathBuf, model: AnyModel, cache: PathBuf) -> Self {
        Self {
            inputs,
            out,
            settings: Settings::default(),
            model,
            judge: None,
            embedder: None,
            cache,
            concurrency: 4,
            limit: None,
            progress: None,
            resume: false,
        }
    }

    fn read(&self) -> Result<Read> {
        let reading = Reading { passage_words: self.settings.passage_words, licence: self.settings.licence.clone() };
        let mut all = Read::default();
        for input in &self.inputs {
            let read = match input {
                Input::Path(path) => reading.path(path)?,
                Input::Topics(path) => reading.topics(path)?,
                Input::Knowledge(base) => reading.knowledge(base)?,
            };
            all.items.extend(read.items);
            all.rejected.extend(read.rejected);
        }
        if let Some(limit) = self.limit {
            all.items.truncate(limit);
        }
        if all.items.is_empty() {
            let first = all.rejected.first().map_or(String::new(), |left| format!(" ({})", left.reason));
            return Err(Error::Input(format!("the sources have no item to write tiers of{first}")));
        }
        Ok(all)
    }

    /// Reads and filters the sources, so that what they will take can be told before the work.
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::File`] and [`Error::Io`] for settings and sources that cannot be used.
    pub async fn prepare(self) -> Result<Prepared> {
        let began = Instant::now();
        self.settings.check().map_err(|(field, message)| Error::Input(format!("settings ({field}): {message}")))?;
        let Read { items, mut rejected } = self.read()?;
        let mut filter = Filter::new(&self.settings.filter)?;
        let mut kept = Vec::new();
        for item in items {
            match filter.pass(item) {
                Ok(item) => kept.push(item),
                Err(left) => rejected.push(left),
            }
        }
        let scrubbed = json!(filter.found());
        if let (Some(embedder), true) = (&self.embedder, (1..kept.len()).contains(&self.settings.diverse)) {
            let texts: Vec<String> =
                kept.iter().map(|item| item.about.clone().unwrap_or_default() + "\n" + &item.text).collect();
            let mut vectors = Vec::new();
            for part in texts.chunks(EMBEDDED) {
                vectors.extend(embedder.embed(part.to_vec()).await?);
            }
            let chosen = most_diverse(&vectors, self.settings.diverse);
            let mut place = 0;
            kept.retain(|item| {
                let is_chosen = chosen.binary_search(&place).is_ok();
                place += 1;
                if !is_chosen {
                    rejected.push(Rejected::item(item, Step::Filter, "others are more different (diversity sampling)"));
                }
                is_chosen
            });
        }
        Ok(Prepared { job: self, items: kept, rejected, scrubbed, took: began.elapsed() })
    }

    /// What tells this job from others.
    fn described(&self, source: &str) -> Value {
        json!({
            "model": self.model.info().name,
            "judge": self.judge.as_ref().map(|model| model.info().name.clone()),
            "embedder": self.embedder.as_ref().map(AnyEmbedder::name),
            "source": source,
            "prompts": prompts::hashes().into_iter().map(|(name, hash)| (name.to_owned(), Value::String(hash)))
                .collect::<serde_json::Map<_, _>>(),
            "settings": self.settings,
        })
    }

    /// Prepares and does it: see [`Prepared::run`].
    ///
    /// # Errors
    /// Those of [`Job::prepare`] and [`Prepared::run`].
    pub async fn run(self, on: impl Fn(&Progress)) -> Result<Done> {
        self.prepare().await?.run(on).await
    }
}

/// A job whose sources are read and filtered.
#[derive(Debug)]
pub struct Prepared {
    job: Job,
    items: Vec<Item>,
    rejected: Vec<Rejected>,
    scrubbed: Value,
    took: Duration,
}

impl Prepared {
    /// About what it will take; `local` for a model on this machine.
    pub fn estimate(&self, local: bool) -> Estimate {
        Estimate::of(&self.items, &self.job.settings, &self.job.model, self.job.concurrency, local)
    }

    /// What of the sources is left out, and why.
    pub fn left_out(&self) -> &[Rejected] {
        &self.rejected
    }

    /// Does it; `on` hears how far it is, from this task. Dropping the future, or killing the process, loses nothing that was answered: a
    /// job with [`Job::resume`] goes on there, and ends with the same files.
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::File`] and [`Error::Io`] for a folder that cannot be used, and what stops a model's
    /// work: a server that stays away, a key that is refused.
    pub async fn run(self, on: impl Fn(&Progress)) -> Result<Done> {
        let began = Instant::now();
        let Self { job, items, rejected, scrubbed, took } = self;
        let progress = job.progress.as_deref().map(StudentProgress::read).transpose()?;
        let source = serde_json::to_vec(&items).map_err(|e| Error::Internal(e.to_string()))?;
        let described = job.described(&hex(&Sha256::digest(&source)));
        drop(source);
        // Held to the end.
        let folder = Folder::take(&job.out, &described, job.resume)?;
        let mut collected = Collected::new(folder.state())?;
        rejected.iter().try_for_each(|left| collected.reject(left))?;
        drop(rejected);
        let settings = job.settings;
        let mut generator =
            Generator::new(settings.clone(), job.model, Cache::open(&job.cache)?).concurrency(job.concurrency);
        if let Some(judge) = job.judge {
            generator = generator.judge(judge);
        }
        if let Some(embedder) = job.embedder {
            generator = generator.embedder(embedder);
        }
        let mut state = Progress { total: items.len(), ..Progress::default() };
        on(&state);
        let (counted, outcomes) = generator.counted(items);
        let mut outcomes = std::pin::pin!(outcomes);
        while let Some(outcome) = outcomes.next().await {
            let outcome = outcome?;
            collected.add(&outcome)?;
            state.done += 1;
            state.accepted += usize::from(outcome.info.accepted);
            let so_far = counted();
            (state.sent, state.cached) = (so_far.sent, so_far.cached);
            on(&state);
        }
        arrange(collected.places(), progress.as_ref());
        let tiers: Vec<TierInfo> = (0..)
            .zip(&settings.tiers)
            .map(|(number, tier)| TierInfo {
                name: tier.name.clone(),
                level: settings.level(number),
                stage: tier.stage,
                audience: tier.audience.clone(),
            })
            .collect();
        let mut manifest = described;
        if let Some(manifest) = manifest.as_object_mut() {
            manifest.insert("scrubbed".into(), scrubbed);
            manifest.insert("qsef".into(), env!("CARGO_PKG_VERSION").into());
        }
        let written = output::Job {
            tiers: &tiers,
            stages: &settings.stages,
            manifest,
            seed: settings.seed,
            resample: progress.is_some(),
        };
        let summary = output::write(&job.out, &written, &collected)?;
        Ok(Done { summary, requests: state.sent, elapsed_s: (took + began.elapsed()).as_secs_f64() })
    }
}
