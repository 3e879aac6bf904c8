//! Students: their vocabulary, their texts, one training.

use std::{collections::HashMap, io::Write, path::Path};

use qsef_core::{Error, Result};

use super::{
    Host, RunResult,
    prepare::{Taught, encode, failed},
};
use crate::{
    augment::{Neighbours, simpler},
    config::{Config, Mode, Vocabulary},
    data::{DataSet, Rows},
    loss::Objective,
    model::{Classifier, EncoderConfig, read_weights, write_model},
    resistance::resistance,
    sample::Sampler,
    text::Words,
    train::{Logged, Trainer, Watch, predict},
};

/// Texts that students see: the training rows, then simpler variants of them.
pub(crate) struct Texts {
    pub texts: Vec<String>,
    pub labels: Vec<usize>,
    /// As `labels`, those of variants as the teacher has them: a replaced word may change the class.
    pub of_teacher: Vec<usize>,
    /// Of each training row, the places of its variants.
    pub variants: Vec<Vec<usize>>,
}

impl Texts {
    pub fn new(config: &Config, data: &DataSet, rows: &Rows, augmented: bool, host: &Host<'_>) -> Result<Self> {
        let (mut texts, mut labels) = (rows.texts.clone(), rows.labels.clone());
        let mut variants = vec![Vec::new(); rows.len()];
        if !augmented {
            return Ok(Self { texts, labels, of_teacher: Vec::new(), variants });
        }
        if config.augment.rules {
            for ((text, label), variants) in rows.texts.iter().zip(&rows.labels).zip(&mut variants) {
                for variant in simpler(text) {
                    variants.push(texts.len());
                    texts.push(variant);
                    labels.push(*label);
                }
            }
        }
        if config.augment.neighbours > 0 {
            let dir = (host.resolve)(config.student.base.as_ref().unwrap_or(&config.student.tokenizer))?;
            let words = Words::load(&dir.join("tokenizer.json"), config.max_tokens)?;
            let neighbours = Neighbours::new(&words, &read_weights(&dir)?.1, &rows.texts())?;
            for (i, ((text, label), variants)) in rows.texts.iter().zip(&rows.labels).zip(&mut variants).enumerate() {
                for variant in neighbours.variants(text, config.augment.neighbours, i as u64) {
                    variants.push(texts.len());
                    texts.push(variant);
                    labels.push(*label);
                }
            }
        }
        for file in &config.augment.files {
            let more = data.read_more(file)?;
            let mut by_class: HashMap<usize, Vec<usize>> = HashMap::new();
            for (text, label) in more.texts.into_iter().zip(more.labels) {
                by_class.entry(label).or_default().push(texts.len());
                texts.push(text);
                labels.push(label);
            }
            for (label, variants) in rows.labels.iter().zip(&mut variants) {
                variants.extend(by_class.get(label).into_iter().flatten().copied());
            }
        }
        Ok(Self { texts, labels, of_teacher: Vec::new(), variants })
    }

    /// The classes for a mode that has a teacher or has none: training rows have their own in both.
    fn labels(&self, taught: bool) -> Vec<usize> {
        let rows = self.variants.len();
        let own = self.labels.iter().copied();
        if !taught || self.of_teacher.len() != self.labels.len() {
            return own.collect();
        }
        own.take(rows).chain(self.of_teacher.iter().skip(rows).copied()).collect()
    }

    pub fn as_slices(&self) -> Vec<&str> {
        self.texts.iter().map(String::as_str).collect()
    }
}

/// Who learns, before it has learnt.
pub(crate) struct Start {
    pub words: Words,
    shape: EncoderConfig,
    tensors: Option<HashMap<String, candle_core::Tensor>>,
}

impl Start {
    pub fn new(config: &Config, texts: &Texts, host: &Host<'_>) -> Result<Self> {
        let student = &config.student;
        if let Some(base) = &student.base {
            let dir = (host.resolve)(base)?;
            let (shape, tensors) = read_weights(&dir)?;
            let window = config.max_tokens.min(shape.max_position_embeddings);
            let words = Words::load(&dir.join("tokenizer.json"), window)?;
            return Ok(Self { words, shape, tensors: Some(tensors) });
        }
        let whole = Words::load(&(host.resolve)(&student.tokenizer)?.join("tokenizer.json"), config.max_tokens)?;
        let words = match student.vocabulary {
            Vocabulary::Full => whole,
            Vocabulary::Reduced => whole.reduced(&texts.as_slices(), student.least)?.words,
        };
        let (layers, hidden, heads) = (student.layers, student.hidden, student.heads);
        let mut shape = EncoderConfig::new(words.vocabulary(), layers, hidden, heads, config.max_tokens);
        shape.intermediate_size = student.inner.unwrap_or(shape.intermediate_size);
        Ok(Self { words, shape, tensors: None })
    }

    pub fn model(&self, classes: usize, seed: u64) -> Result<Classifier> {
        match &self.tensors {
            Some(tensors) => Classifier::of_tensors(&self.shape, tensors, classes, seed),
            None => Classifier::random(&self.shape, classes, seed),
        }
        .map_err(failed)
    }
}

/// What all runs of a grid share.
pub(crate) struct Class<'a> {
    pub config: &'a Config,
    pub data: &'a DataSet,
    pub texts: &'a Texts,
    pub tokens: &'a [Vec<u32>],
    pub valid: &'a [Vec<u32>],
    pub test: &'a [Vec<u32>],
    pub start: &'a Start,
    pub taught: Option<&'a Taught>,
    pub resistance: &'a [f32],
}

impl Class<'_> {
    /// Trains one student, and tests it once. Its log and its files go to `dir`.
    pub fn run(&self, mode: &Mode, seed: u64, id: &str, dir: &Path, host: &Host<'_>, place: &str) -> Result<RunResult> {
        let model = self.start.model(self.data.labels.len(), seed)?;
        let rows = self.texts.variants.len();
        let difficulty = self.resistance.get(..rows).unwrap_or_default();
        let mean = difficulty.iter().sum::<f32>() / rows.max(1) as f32;
        let teacher = self.taught.map(|taught| &taught.train);
        let of_teacher = teacher.and_then(|t| t.inner.as_ref()).map_or(1, |inner| inner.width);
        let width = model.encoder().config().hidden_size;
        let labels = self.texts.labels(mode.loss.needs_teacher());
        let settings = self.config.train.clone();
        let steps = settings.steps;
        let objective = Objective::new(mode.loss.clone(), width, of_teacher, f64::from(mean), seed).map_err(failed)?;
        let trainer = Trainer {
            sampler: Sampler::new(mode.sampling, difficulty, settings.batch, steps, seed),
            settings,
            student: &model,
            objective,
            tokens: self.tokens,
            labels: &labels,
            resistance: self.resistance,
            variants: &self.texts.variants,
            augment: mode.augment,
            teacher: teacher.filter(|_| mode.loss.needs_teacher()),
            valid: (self.valid, &self.data.valid.labels),
            valid_vectors: self.taught.and_then(|taught| taught.valid_vectors.as_deref()),
            seed,
            checkpoint: Some((dir.join("checkpoint.safetensors"), id.to_owned())),
        };
        let path = dir.join("log.jsonl");
        let failed_to_write = |e| Error::io("write", &path, e);
        let mut log = std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(failed_to_write)?;
        let mut trouble = None;
        let mut note = String::new();
        let mut lines = Vec::new();
        let trained = trainer.run(&mut Watch {
            log: &mut |line: &Logged| {
                if let Some(valid) = line.valid {
                    note = format!("valid {:.1} %", 100.0 * valid);
                }
                if line.step.is_multiple_of(10) || line.valid.is_some() {
                    lines.push(line.clone());
                    let written = serde_json::to_string(line).map_err(std::io::Error::other);
                    if let Err(e) = written.and_then(|text| writeln!(log, "{text}")) {
                        trouble.get_or_insert(e);
                    }
                }
                host.say(&format!("{place} {} seed {seed}", mode.name), line.step, steps, note.clone());
            },
            cancel: host.cancel,
        })?;
        if let Some(e) = trouble {
            return Err(failed_to_write(e));
        }
        let found = predict(&model, self.test).map_err(failed)?;
        let truth = &self.data.test.labels;
        let correct = found.correct(truth);
        let confidence: Vec<f64> = found.confidence.iter().map(|c| f64::from(*c)).collect();
        write_model(dir, &model, &self.data.labels)?;
        crate::files::write(&dir.join("tokenizer.json"), self.start.words.json().as_bytes())?;
        let last = |of: fn(&Logged) -> Option<f64>| lines.iter().rev().find_map(of);
        Ok(RunResult {
            id: id.to_owned(),
            mode: mode.name.clone(),
            seed,
            accuracy: qsef_eval::metrics::accuracy(truth, &found.classes),
            macro_f1: qsef_eval::metrics::macro_f1(truth, &found.classes),
            params: model.params().count(),
            steps: trained.steps,
            seconds: trained.seconds,
            valid: trained.valid,
            brier: qsef_eval::metrics::brier(&confidence, &correct),
            ece: qsef_eval::metrics::expected_calibration_error(&confidence, &correct, 15),
            cka: last(|line| line.cka),
            distance: last(|line| line.distance.map(f64::from)),
            correct,
            lines,
        })
    }
}

/// The texts' resistance, with the teacher's doubt where there is one.
pub(crate) fn resistances(texts: &Texts, tokens: &[Vec<u32>], taught: Option<&Taught>) -> Vec<f32> {
    let doubt: Option<Vec<f32>> =
        taught.map(|taught| taught.train.probability(&texts.labels).into_iter().map(|p| 1.0 - p).collect());
    resistance(&texts.as_slices(), tokens, doubt.as_deref())
}

/// Texts as tokens, of a file's rows.
pub(crate) fn tokens(words: &Words, rows: &Rows) -> Result<Vec<Vec<u32>>> {
    encode(words, &rows.texts())
}
