//! Students: their vocabulary, their texts, one training.

use std::{
    collections::HashMap,
    io::Write,
    path::{Path, PathBuf},
};

use candle_core::{DType, Device};
use qsef_core::{Error, Result};

use super::{Host, RunResult, fingerprint, fingerprint_numbers, prepare::failed, teach::Taught};
use crate::{
    augment::{Mentions, Neighbours, simpler},
    config::{Config, Mode, Vocabulary},
    data::{DataSet, Rows, Task, Variant, VariantOf},
    loss::Objective,
    model::{Classifier, EncoderConfig, read_weights, write_model},
    resistance::resistance,
    sample::Sampler,
    text::{Tokens, Words},
    train::{Checkpoint, Logged, Predictions, Trainer, Watch, predict},
};

/// Texts that students see.
pub(crate) struct Texts {
    /// The training rows, then variants of them.
    pub rows: Rows,
    /// What the teacher says of all, where it is asked: of a text, a replaced word may change the class.
    pub of_teacher: Vec<Vec<usize>>,
    /// Of each training row, the places of its variants.
    pub variants: Vec<Vec<usize>>,
}

impl Texts {
    pub fn new(config: &Config, data: &DataSet, rows: &Rows, augmented: bool, host: &Host<'_>) -> Result<Self> {
        let mut texts = Self { rows: rows.clone(), of_teacher: Vec::new(), variants: vec![Vec::new(); rows.len()] };
        if augmented {
            match data.task {
                Task::Classify => texts.vary(config, data, rows, host)?,
                Task::Extract => texts.vary_parts(config, data, rows, host)?,
            }
        }
        Ok(texts)
    }

    /// Adds a variant of a row. Its class, or its parts, are the caller's to add.
    fn add(&mut self, row: usize, text: String) {
        if let Some(variants) = self.variants.get_mut(row) {
            variants.push(self.rows.len());
        }
        self.rows.texts.push(text);
    }

    /// Adds variants of a row of a class.
    fn add_all(&mut self, row: usize, texts: Vec<String>, label: usize) {
        for text in texts {
            self.add(row, text);
            self.rows.labels.push(label);
        }
    }

    fn vary(&mut self, config: &Config, data: &DataSet, rows: &Rows, host: &Host<'_>) -> Result<()> {
        let each = || rows.texts.iter().zip(&rows.labels).enumerate();
        if config.augment.rules {
            for (row, (text, label)) in each() {
                self.add_all(row, simpler(text), *label);
            }
        }
        if config.augment.neighbours > 0 {
            let (words, dir) = whole(config, host)?;
            let neighbours = Neighbours::new(&words, &read_weights(&dir)?.1, &rows.texts())?;
            for (row, (text, label)) in each() {
                self.add_all(row, neighbours.variants(text, config.augment.neighbours, row as u64), *label);
            }
        }
        for file in &config.augment.files {
            let mut by_class: HashMap<usize, Vec<usize>> = HashMap::new();
            for Variant { text, of } in data.read_variants(file)? {
                match of {
                    VariantOf::Class(label) => {
                        by_class.entry(label).or_default().push(self.rows.len());
                        self.rows.texts.push(text);
                        self.rows.labels.push(label);
                    }
                    // It may be no row of the share that students see.
                    VariantOf::Row(id) => {
                        let row = rows.ids.iter().position(|own| own.as_ref() == Some(&id));
                        if let Some((row, label)) = row.and_then(|row| Some((row, *rows.labels.get(row)?))) {
                            self.add_all(row, vec![text], label);
                        }
                    }
                }
            }
            for (label, variants) in rows.labels.iter().zip(&mut self.variants) {
                variants.extend(by_class.get(label).into_iter().flatten().copied());
            }
        }
        Ok(())
    }

    fn vary_parts(&mut self, config: &Config, data: &DataSet, rows: &Rows, host: &Host<'_>) -> Result<()> {
        let (words, _) = whole(config, host)?;
        let mentions = Mentions::new(rows, data.labels.len());
        for (row, (text, spans)) in rows.texts.iter().zip(&rows.spans).enumerate() {
            for (variant, spans) in mentions.variants(text, spans, config.augment.neighbours, row as u64) {
                // One that has become too long for the window would lose its last parts.
                if words.encode_whole(&variant).is_ok() {
                    self.add(row, variant);
                    self.rows.spans.push(spans);
                }
            }
        }
        Ok(())
    }

    /// What a student should say of all, for a mode that has a teacher or has none: training rows have their own answers in both.
    fn answers(&self, data: &DataSet, tokens: &[Tokens], taught: bool) -> Vec<Vec<usize>> {
        let own = data.answers(&self.rows, tokens);
        // A part that is replaced by one with the same label changes nothing.
        if !taught || data.task == Task::Extract || self.of_teacher.len() != own.len() {
            return own;
        }
        let rows = self.variants.len();
        own.into_iter().take(rows).chain(self.of_teacher.iter().skip(rows).cloned()).collect()
    }
}

/// The tokenizer that a student's is made of, and its directory.
fn whole(config: &Config, host: &Host<'_>) -> Result<(Words, PathBuf)> {
    let dir = (host.resolve)(config.student.base.as_ref().unwrap_or(&config.student.tokenizer))?;
    Ok((Words::load(&dir.join("tokenizer.json"), config.max_tokens)?, dir))
}

/// Who learns, before it has learnt.
pub(crate) struct Start {
    pub words: Words,
    device: Device,
    shape: EncoderConfig,
    tensors: Option<HashMap<String, candle_core::Tensor>>,
}

impl Start {
    pub fn new(config: &Config, texts: &Texts, device: &Device, host: &Host<'_>) -> Result<Self> {
        let device = device.clone();
        let student = &config.student;
        if let Some(base) = &student.base {
            let dir = (host.resolve)(base)?;
            let (shape, tensors) = read_weights(&dir)?;
            let window = config.max_tokens.min(shape.max_position_embeddings);
            let words = Words::load(&dir.join("tokenizer.json"), window)?;
            return Ok(Self { words, device, shape, tensors: Some(tensors) });
        }
        let whole = Words::load(&(host.resolve)(&student.tokenizer)?.join("tokenizer.json"), config.max_tokens)?;
        let words = match student.vocabulary {
            Vocabulary::Full => whole,
            Vocabulary::Reduced => whole.reduced(&texts.rows.texts(), student.least)?.words,
        };
        let (layers, hidden, heads) = (student.layers, student.hidden, student.heads);
        let mut shape = EncoderConfig::new(words.vocabulary(), layers, hidden, heads, config.max_tokens);
        shape.intermediate_size = student.inner.unwrap_or(shape.intermediate_size);
        Ok(Self { words, device, shape, tensors: None })
    }

    /// The student's layers.
    pub fn layers(&self) -> usize {
        self.shape.num_hidden_layers
    }

    /// A short name of all that it begins with.
    pub fn named(&self) -> Result<String> {
        let mut all: Vec<_> = self.tensors.iter().flatten().collect();
        all.sort_by_key(|(name, _)| *name);
        let mut parts = vec![self.words.json().to_owned()];
        for (name, tensor) in all {
            let numbers = tensor.to_dtype(DType::F32).and_then(|t| t.flatten_all()?.to_vec1::<f32>());
            parts.extend([name.clone(), fingerprint_numbers(&numbers.map_err(failed)?)]);
        }
        Ok(fingerprint(&parts.iter().map(String::as_str).collect::<Vec<_>>()))
    }

    pub fn model(&self, classes: usize, seed: u64) -> Result<Classifier> {
        match &self.tensors {
            Some(tensors) => Classifier::of_tensors(&self.shape, tensors, classes, seed, &self.device),
            None => Classifier::random(&self.shape, classes, seed, &self.device),
        }
        .map_err(failed)
    }
}

/// What all runs of a grid share.
pub(crate) struct Class<'a> {
    pub config: &'a Config,
    pub data: &'a DataSet,
    pub texts: &'a Texts,
    pub tokens: &'a [Tokens],
    pub valid: &'a [Tokens],
    pub test: &'a [Tokens],
    pub start: &'a Start,
    pub taught: Option<&'a Taught>,
    pub resistance: &'a [f32],
}

impl Class<'_> {
    /// Trains one student, and tests it once. Its log and its files go to `dir`.
    pub fn run(&self, mode: &Mode, seed: u64, id: &str, dir: &Path, host: &Host<'_>, place: &str) -> Result<RunResult> {
        let data = self.data;
        let model = self.start.model(data.classes().len(), seed)?;
        let rows = self.texts.variants.len();
        let difficulty = self.resistance.get(..rows).unwrap_or_default();
        let mean = difficulty.iter().sum::<f32>() / rows.max(1) as f32;
        let teacher = self.taught.map(|taught| &taught.train);
        let of_teacher = teacher.and_then(|t| t.inner.as_ref()).map_or(1, |inner| inner.width);
        let width = model.encoder().config().hidden_size;
        let labels = self.texts.answers(data, self.tokens, mode.loss.needs_teacher());
        let settings = self.config.train.clone();
        let steps = settings.steps;
        let device = model.params().device();
        let objective = Objective::new(mode.loss.clone(), width, of_teacher, f64::from(mean), seed, device);
        let objective = objective.map_err(failed)?;
        let path = dir.join("log.jsonl");
        let failed_to_write = |e| Error::io("write", &path, e);
        let checkpoint = dir.join("checkpoint.safetensors");
        let kept = Checkpoint::read(&checkpoint, id)?.map_or(0, |checkpoint| checkpoint.step);
        let mut log = crate::files::log(&path, kept)?;
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
            valid: (self.valid, &|found: &Predictions| data.judge(&data.valid, self.valid, found).measure),
            valid_vectors: self.taught.and_then(|taught| taught.valid.as_ref()).map(|said| said.vectors.as_slice()),
            seed,
            checkpoint: Some((checkpoint, id.to_owned())),
        };
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
        let judged = data.judge(&data.test, self.test, &found);
        write_model(dir, &model, &data.classes())?;
        crate::files::write(&dir.join("tokenizer.json"), self.start.words.json().as_bytes())?;
        let last = |of: fn(&Logged) -> Option<f64>| lines.iter().rev().find_map(of);
        Ok(RunResult {
            id: id.to_owned(),
            mode: mode.name.clone(),
            seed,
            accuracy: judged.accuracy,
            macro_f1: judged.macro_f1,
            span_f1: (data.task == Task::Extract).then_some(judged.measure),
            params: model.params().count(),
            steps: trained.steps,
            seconds: trained.seconds,
            valid: trained.valid,
            brier: qsef_eval::metrics::brier(&judged.confidence, &judged.correct),
            ece: qsef_eval::metrics::expected_calibration_error(&judged.confidence, &judged.correct, 15),
            cka: last(|line| line.cka),
            distance: last(|line| line.distance.map(f64::from)),
            correct: judged.correct,
            lines,
        })
    }
}

/// The texts' resistance, with the teacher's doubt where there is one.
pub(crate) fn resistances(data: &DataSet, texts: &Texts, tokens: &[Tokens], taught: Option<&Taught>) -> Vec<f32> {
    let doubt = |taught: &Taught| -> Vec<f32> {
        taught.train.probability(&texts.answers(data, tokens, true)).into_iter().map(|p| 1.0 - p).collect()
    };
    resistance(&texts.rows.texts(), tokens, taught.map(doubt).as_deref())
}
