//! Encoders that teach, made ready: trained, or loaded.

use std::{collections::HashMap, path::Path};

use candle_core::{Device, Tensor};

use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{Host, fingerprint};
use crate::{
    config::EncoderTeacher,
    data::{DataSet, Rows},
    loss::{Objective, Settings},
    model::{Classifier, EncoderConfig, read_labels, read_shape, read_weights, write_model},
    sample::{Sampler, Sampling},
    text::Words,
    train::{Predictions, TrainSettings, Trainer, Watch, predict},
};

/// What a teacher reaches itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TeacherResult {
    /// What it is.
    pub kind: String,
    /// Its measure on the training rows that students see.
    #[serde(default)]
    pub train: Option<f64>,
    /// Its measure on the validation rows; none where it was asked for the training rows only.
    pub valid: Option<f64>,
    /// Its measure on the test rows; none where it was not asked for them, as an ensemble is not.
    pub accuracy: Option<f64>,
    /// Numbers in it, where they are known.
    pub params: Option<usize>,
    /// Seconds of its own training.
    pub seconds: f64,
}

impl TeacherResult {
    /// In a line: what it is, how right it is by a measure, how large it is.
    pub fn told(&self, measure: &str) -> String {
        let right = |of: f64, rows: &str| format!(", {measure} {:.2} % on the {rows} rows", 100.0 * of);
        let known = [(self.accuracy, "test"), (self.valid, "validation"), (self.train, "training")];
        let right = known.into_iter().find_map(|(of, rows)| Some(right(of?, rows))).unwrap_or_default();
        let size = self.params.map_or(String::new(), |n| format!(", {:.1} M parameters", n as f64 / 1e6));
        format!("{}{right}{size}", self.kind)
    }
}

pub(crate) fn failed(error: candle_core::Error) -> Error {
    Error::Internal(format!("training failed: {error}"))
}

/// Trains an encoder for the task, or loads the one that was trained in `dir` before.
///
/// # Errors
/// Those of its files and of its training.
pub fn prepare_teacher(
    config: &EncoderTeacher,
    data: &DataSet,
    window: usize,
    dir: &Path,
    device: &Device,
    host: &Host<'_>,
) -> Result<(Classifier, Words, TeacherResult)> {
    let base = (host.resolve)(&config.base)?;
    let words = Words::load(&base.join("tokenizer.json"), window.min(read_shape(&base)?.max_position_embeddings))?;
    let settings = serde_json::to_string(config).map_err(|e| Error::Internal(e.to_string()))?;
    let window_text = window.to_string();
    let [train, valid, test] = [&data.train, &data.valid, &data.test].map(Rows::named);
    let run = fingerprint(&[&settings, &window_text, &train, &valid, &test]);
    let classes = data.classes();
    let document = dir.join("teacher.json");
    if let Ok(text) = std::fs::read_to_string(&document)
        && let Ok((of, result)) = serde_json::from_str::<(String, TeacherResult)>(&text)
        && of == run
    {
        let (shape, tensors) = read_weights(dir)?;
        let model = Classifier::of_tensors(&shape, &tensors, classes.len(), config.seed, device).map_err(failed)?;
        return Ok((model, words, result));
    }
    std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
    let (shape, tensors) = read_weights(&base)?;
    if config.trained {
        return trained(config, &base, words, (&shape, &tensors), data, device);
    }
    let mut model = Classifier::of_tensors(&shape, &tensors, classes.len(), config.seed, device).map_err(failed)?;
    if config.fix_words {
        model.fix_words();
    }
    let (train, valid) = (data.encode(&words, &data.train.texts())?, data.encode_to_judge(&words, &data.valid)?);
    let even = vec![1.0; train.len()];
    let loss = Settings { normalise: false, smoothing: config.smoothing, ..Settings::default() };
    let width = shape.hidden_size;
    let TrainSettings { batch, steps, .. } = config.train;
    let checkpoint = dir.join("checkpoint.safetensors");
    let trainer = Trainer {
        settings: config.train.clone(),
        student: &model,
        objective: Objective::new(loss, width, width, 1.0, config.seed, device).map_err(failed)?,
        sampler: Sampler::new(Sampling::Uniform, &even, batch, steps, config.seed),
        tokens: &train,
        labels: &data.answers(&data.train, &train),
        resistance: &even,
        variants: &[],
        augment: 0.0,
        teacher: None,
        valid: (&valid, &|found: &Predictions| data.judge(&data.valid, &valid, found).measure),
        valid_vectors: None,
        seed: config.seed,
        checkpoint: Some((checkpoint.clone(), run.clone())),
    };
    let mut note = String::new();
    let trained = trainer.run(&mut Watch {
        log: &mut |line| {
            if let Some(valid) = line.valid {
                note = format!("valid {:.1} %", 100.0 * valid);
            }
            host.say("teacher", line.step, steps, note.clone());
        },
        cancel: host.cancel,
    })?;
    let test = data.encode_to_judge(&words, &data.test)?;
    let accuracy = data.judge(&data.test, &test, &predict(&model, &test).map_err(failed)?).measure;
    let result = TeacherResult {
        kind: "encoder".into(),
        train: None,
        valid: Some(trained.valid),
        accuracy: Some(accuracy),
        params: Some(model.params().count()),
        seconds: trained.seconds,
    };
    write_model(dir, &model, &classes)?;
    crate::files::write(&dir.join("tokenizer.json"), words.json().as_bytes())?;
    let text = serde_json::to_string(&(&run, &result)).map_err(|e| Error::Internal(e.to_string()))?;
    crate::files::write(&document, text.as_bytes())?;
    let _ = std::fs::remove_file(checkpoint);
    Ok((model, words, result))
}

/// A teacher that was trained elsewhere, for the same classes in the same order.
fn trained(
    config: &EncoderTeacher,
    base: &Path,
    words: Words,
    (shape, tensors): (&EncoderConfig, &HashMap<String, Tensor>),
    data: &DataSet,
    device: &Device,
) -> Result<(Classifier, Words, TeacherResult)> {
    let (labels, classes) = (read_labels(base)?, data.classes());
    if labels != classes {
        let strange = labels.iter().find(|label| !classes.contains(label));
        let missing = classes.iter().find(|label| !labels.contains(label));
        let which = strange.or(missing).map_or(String::new(), |label| format!(", such as `{label}`"));
        return Err(Error::Input(format!(
            "the teacher in {} tells {} classes apart, the rows have {}, and they are not the same{which}",
            base.display(),
            labels.len(),
            classes.len()
        )));
    }
    let model = Classifier::of_tensors(shape, tensors, labels.len(), config.seed, device).map_err(failed)?;
    let measure = |rows: &Rows| -> Result<f64> {
        let tokens = data.encode_to_judge(&words, rows)?;
        Ok(data.judge(rows, &tokens, &predict(&model, &tokens).map_err(failed)?).measure)
    };
    let result = TeacherResult {
        kind: "encoder".into(),
        train: None,
        valid: Some(measure(&data.valid)?),
        accuracy: Some(measure(&data.test)?),
        params: Some(model.params().count()),
        seconds: 0.0,
    };
    Ok((model, words, result))
}
