//! Experts that `qsef distill export` made, in a directory each. They can come, change and go while a process runs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use qsef_agent::Registry;
use qsef_candle::classifier::{CandleClassifier, CandleTagger, Found};
use qsef_core::{AnyExpert, Error, Expert, ExpertCall, ExpertProfile, Outcome, Payload, Result};
use qsef_distill::{
    coverage::KnownWords,
    data::Task,
    export::{PROFILE, Profile},
};
use serde::{Deserialize, Serialize};

use super::Models;

/// An expert that tells the class of a text, or finds parts of it, by a small encoder.
#[derive(Clone)]
pub struct Distilled {
    profile: Profile,
    known: KnownWords,
    student: Student,
}

#[derive(Clone)]
enum Student {
    Classifier(CandleClassifier),
    Tagger(CandleTagger),
}

/// A part of a text that an expert found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What it is.
    pub label: String,
    /// Its words.
    pub text: String,
    /// Its first character.
    pub start: usize,
    /// The first character after it.
    pub end: usize,
    /// How sure that is, in [0, 1].
    pub confidence: f32,
}

impl Distilled {
    /// Loads an expert's directory.
    ///
    /// # Errors
    /// As [`Profile::read`], [`CandleClassifier::load`] and [`CandleTagger::load`].
    pub fn load(dir: &Path) -> Result<Self> {
        let profile = Profile::read(dir)?;
        let id = &profile.expert.id;
        let student = match profile.task {
            Task::Classify => Student::Classifier(CandleClassifier::load(id, dir)?),
            Task::Extract => Student::Tagger(CandleTagger::load(id, dir)?),
        };
        Ok(Self { known: profile.coverage.known(), profile, student })
    }

    /// All that is known of it.
    pub fn about(&self) -> &Profile {
        &self.profile
    }

    /// The class of a text, and how sure that is, in [0, 1].
    ///
    /// # Errors
    /// As [`CandleClassifier::classify`], and [`Error::Input`] for an expert that finds parts of texts.
    pub fn tell(&self, text: &str) -> Result<(&str, f32)> {
        let Student::Classifier(classifier) = &self.student else {
            return Err(Error::Input(format!("the expert `{}` tells no classes", self.profile.expert.id)));
        };
        let found = classifier.classify(text)?;
        let label = classifier.labels().get(found.class).map_or("", String::as_str);
        Ok((label, found.probabilities.get(found.class).copied().unwrap_or_default()))
    }

    /// The parts of a text that have labels, in its order, and how sure it is of all of its words, in [0, 1].
    ///
    /// # Errors
    /// As [`CandleTagger::extract`], and [`Error::Input`] for an expert that tells classes.
    pub fn find(&self, text: &str) -> Result<(Vec<Part>, f32)> {
        let Student::Tagger(tagger) = &self.student else {
            return Err(Error::Input(format!("the expert `{}` finds no parts of texts", self.profile.expert.id)));
        };
        let found = tagger.extract(text)?;
        let characters = |to: usize| text.get(..to).map_or(0, |before| before.chars().count());
        let part = |Found { span, confidence }: Found| Part {
            label: tagger.labels().get(span.label).cloned().unwrap_or_default(),
            text: text.get(span.bytes.clone()).unwrap_or_default().to_owned(),
            start: characters(span.bytes.start),
            end: characters(span.bytes.end),
            confidence,
        };
        Ok((found.spans.into_iter().map(part).collect(), found.confidence))
    }

    /// Declines a text of which it is not sure enough.
    fn sure_enough(&self, text: &str, confidence: f32, of: &str) -> Result<()> {
        let (confidence, least) = (self.known.sure(text, confidence), self.profile.limits.least_confidence);
        if confidence >= least {
            return Ok(());
        }
        let message = format!("it is {confidence:.2} sure of {of}, and answers from {least:.2} on");
        Err(Error::Declined { expert: self.profile.expert.id.clone(), message })
    }
}

impl Expert for Distilled {
    fn profile(&self) -> &ExpertProfile {
        &self.profile.expert
    }

    fn covers(&self, task: &str) -> Option<f64> {
        match &self.student {
            Student::Classifier(_) => {
                self.tell(task).ok().map(|(_, confidence)| f64::from(self.known.sure(task, confidence)))
            }
            // That nothing is to be found in a text, it is sure of for most texts of other domains.
            Student::Tagger(_) => {
                let (parts, confidence) = self.find(task).ok()?;
                Some(if parts.is_empty() { 0.0 } else { f64::from(self.known.sure(task, confidence)) })
            }
        }
    }

    async fn run(&self, call: ExpertCall) -> Result<Outcome> {
        // What another expert made is what is read.
        let text = call.inputs.first().map_or_else(|| call.task.clone(), |input| input.payload.to_text());
        match &self.student {
            Student::Classifier(_) => {
                let (label, confidence) = self.tell(&text)?;
                self.sure_enough(&text, confidence, &format!("`{label}`"))?;
                Ok(Outcome::from(Payload::text(label)))
            }
            Student::Tagger(_) => {
                let (parts, confidence) = self.find(&text)?;
                self.sure_enough(&text, confidence, "some word")?;
                let value = serde_json::to_value(parts).map_err(|e| Error::Internal(e.to_string()))?;
                Ok(Outcome::from(Payload::json(value)))
            }
        }
    }
}

impl Models {
    /// The experts in the home directory's `experts`; those that cannot be loaded, and those of `taken` ids, in sentences.
    pub(super) fn distilled(&self, taken: &[AnyExpert]) -> (Vec<AnyExpert>, Vec<String>) {
        let (mut experts, mut warnings) = (Vec::new(), Vec::new());
        for dir in DistilledFolder::new(self.inner.store.root().join("experts")).found().into_keys() {
            match Distilled::load(&dir) {
                Ok(expert)
                    if taken.iter().chain(&experts).all(|one: &AnyExpert| one.profile().id != expert.profile().id) =>
                {
                    experts.push(AnyExpert::new(expert));
                }
                Ok(expert) => warnings.push(format!(
                    "{} is left out: the agent has an expert `{}`",
                    dir.display(),
                    expert.profile().id
                )),
                Err(error) => warnings.push(format!("{} is left out: {error}", dir.display())),
            }
        }
        (experts, warnings)
    }
}

/// A directory of experts' directories, such as `experts` in the [`crate::home`] directory.
#[derive(Debug, Clone)]
pub struct DistilledFolder {
    dir: PathBuf,
    /// By directory: when its profile was written, and the profile of the expert in the registry; none for one that could not be had.
    known: BTreeMap<PathBuf, (SystemTime, Option<ExpertProfile>)>,
}

impl DistilledFolder {
    /// The directory need not be there yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), known: BTreeMap::new() }
    }

    /// The same for an agent that is opened after this with the experts that are there, so that they are not added again.
    pub fn before_opening(dir: impl Into<PathBuf>) -> Self {
        let mut folder = Self::new(dir);
        let profile = |dir: &Path| Profile::read(dir).ok().map(|profile| profile.expert);
        folder.known = folder.found().into_iter().map(|(dir, at)| (dir.clone(), (at, profile(&dir)))).collect();
        folder
    }

    /// The experts' directories that are complete, with the time of their profiles.
    fn found(&self) -> BTreeMap<PathBuf, SystemTime> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let complete = entries.filter(|e| !e.file_name().to_string_lossy().starts_with('.')).filter_map(|entry| {
            let changed = std::fs::metadata(entry.path().join(PROFILE)).and_then(|m| m.modified()).ok()?;
            Some((entry.path(), changed))
        });
        complete.collect()
    }

    /// Has a registry follow what changed since the last time: experts that came, changed or went. What could not be had, in sentences,
    /// once for each change. Without a change it takes microseconds.
    ///
    /// # Errors
    /// The embedder's own.
    pub async fn refresh(&mut self, registry: &mut Registry) -> Result<Vec<String>> {
        let found = self.found();
        let mut warnings = Vec::new();
        let gone: Vec<PathBuf> = self
            .known
            .iter()
            .filter(|(dir, (at, _))| found.get(*dir) != Some(at))
            .map(|(dir, _)| dir.clone())
            .collect();
        for dir in gone {
            // Another expert may have its id.
            if let Some((_, Some(profile))) = self.known.remove(&dir)
                && registry.get(&profile.id).is_some_and(|there| *there.profile() == profile)
                && let Err(error) = registry.remove(&profile.id)
            {
                warnings.push(error.to_string());
            }
        }
        for (dir, changed) in found {
            if self.known.contains_key(&dir) {
                continue;
            }
            let profile = match Distilled::load(&dir) {
                Ok(expert) => {
                    let profile = expert.profile().clone();
                    // It came with the agent, before this folder was asked.
                    if registry.get(&profile.id).is_some_and(|there| *there.profile() == profile) {
                        self.known.insert(dir, (changed, Some(profile)));
                        continue;
                    }
                    match registry.add(AnyExpert::new(expert)).await {
                        Ok(()) => Some(profile),
                        Err(error @ Error::Input(_)) => {
                            warnings.push(format!("{} is left out: {error}", dir.display()));
                            None
                        }
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => {
                    warnings.push(format!("{} is left out: {error}", dir.display()));
                    None
                }
            };
            self.known.insert(dir, (changed, profile));
        }
        Ok(warnings)
    }
}
