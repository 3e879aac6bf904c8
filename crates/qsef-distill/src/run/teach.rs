//! Teachers, asked once about all texts.

use std::{collections::HashSet, path::Path};

use candle_core::Device;
use qsef_core::{Error, Result};

use super::{
    Host, TeacherResult, fingerprint, fingerprint_numbers,
    prepare::{failed, prepare_teacher},
};
use crate::{
    config::TeacherConfig,
    data::{DataSet, Task},
    model::{Classifier, read_shape},
    teacher::{Answers, Keep, Knowledge, calibrate, instruction, mean_of, read_logits, same_tokens, same_words},
    text::{Tokens, Words},
    train::{Predictions, predict},
};

/// What a teacher says of all texts.
pub(crate) struct Taught {
    /// A short name of who says it.
    pub of: String,
    /// Of the texts that students see.
    pub train: Knowledge,
    /// Of the validation rows; none where it was asked for the training rows only.
    pub valid: Option<Predictions>,
    pub result: TeacherResult,
}

impl Taught {
    /// Of a teacher that says classes of the training rows alone.
    fn said(kind: &str, logits: Vec<Vec<f32>>, classes: usize) -> Self {
        let of = fingerprint_numbers(logits.iter().flatten());
        Self { of, train: Knowledge::of_logits(logits, classes), valid: None, result: asked(kind) }
    }
}

/// What is asked of a teacher: its texts, and which inner states are kept.
pub(crate) struct Question<'a> {
    pub texts: &'a [String],
    /// The student's tokens of them.
    pub tokens: &'a [Tokens],
    pub layers: Vec<usize>,
    /// The configuration that names the layers.
    pub config: &'a Path,
    pub keep: Keep,
    /// Where it computes.
    pub device: &'a Device,
}

/// What an encoder says of texts: what it said before, where it was asked the same.
#[allow(clippy::too_many_arguments)] // what it depends on, all of which names the file
fn read_texts(
    of: &str,
    model: &Classifier,
    words: &Words,
    data: &DataSet,
    texts: &[&str],
    window: usize,
    dir: &Path,
    question: &Question<'_>,
    host: &Host<'_>,
) -> Result<Knowledge> {
    let asked = format!("{window} {:?}", question.layers);
    let path = dir.join(format!("said-{}.safetensors", fingerprint(&[of, &asked, &texts.join("\0")])));
    // Tokens' states are too many to keep.
    let keeps = !question.keep.tokens && !question.keep.maps;
    if let Some(kept) = Knowledge::kept(&path, &question.layers).filter(|kept| keeps && kept.len() == texts.len()) {
        return Ok(kept);
    }
    let all = texts.len() as u64;
    let on = |done: usize| host.say("teacher reads", done as u64, all, String::new());
    let tokens = data.encode(words, texts)?;
    let said = Knowledge::of_encoder(model, &tokens, &question.layers, question.keep, &on, host.cancel);
    let said = said.map_err(failed)?;
    if said.len() < texts.len() {
        return Err(Error::Cancelled);
    }
    if keeps {
        said.keep(&path)?;
    }
    Ok(said)
}

/// Whether an encoder has the layers that a configuration compares.
pub(crate) fn has_layers(
    config: &Path,
    who: &str,
    count: usize,
    compared: impl IntoIterator<Item = usize>,
) -> Result<()> {
    match compared.into_iter().max().filter(|largest| *largest > count) {
        Some(layer) => Err(Error::File {
            path: config.to_owned(),
            line: None,
            field: Some("layers".into()),
            message: format!("the {who}'s layer {layer} is compared; it has those from 0 to {count}"),
        }),
        None => Ok(()),
    }
}

/// Asks a teacher.
pub(crate) fn teach(
    config: &TeacherConfig,
    data: &DataSet,
    window: usize,
    dir: &Path,
    question: &Question<'_>,
    host: &Host<'_>,
) -> Result<Taught> {
    let texts: Vec<&str> = question.texts.iter().map(String::as_str).collect();
    match config {
        TeacherConfig::Encoder(encoder) => {
            // Before the teacher is trained, and reads for minutes.
            let base = (host.resolve)(&encoder.base)?;
            let shape = read_shape(&base)?;
            has_layers(question.config, "teacher", shape.num_hidden_layers, question.layers.iter().copied())?;
            let by_token = question.keep.tokens || question.keep.maps;
            if by_token || data.task == Task::Extract {
                let window = window.min(shape.max_position_embeddings);
                let words = Words::load(&base.join("tokenizer.json"), window)?;
                let tokens = data.encode(&words, &texts)?;
                same_words(&texts, question.tokens, &tokens)?;
                if by_token {
                    same_tokens(&texts, question.tokens, &tokens)?;
                }
            }
            let (model, words, result) = prepare_teacher(encoder, data, window, dir, question.device, host)?;
            // Its last map tells it from any other, whatever the device that reads the texts.
            let head: Vec<f32> = model.head().flatten_all().and_then(|head| head.to_vec1()).map_err(failed)?;
            let of = fingerprint_numbers(&head);
            let train = read_texts(&of, &model, &words, data, &texts, window, dir, question, host)?;
            let valid = predict(&model, &data.encode_to_judge(&words, &data.valid)?).map_err(failed)?;
            Ok(Taught { of, train, valid: Some(valid), result })
        }
        TeacherConfig::Ensemble { members } => {
            let ask = |(i, member): (usize, &TeacherConfig)| {
                teach(member, data, window, &dir.join(format!("member-{i}")), question, host)
            };
            let mut taught = members.iter().enumerate().map(ask).collect::<Result<Vec<_>>>()?;
            if taught.is_empty() {
                return Err(Error::Input("an ensemble needs at least one teacher in `members`".into()));
            }
            let classes = data.classes().len();
            let mean = |of: &[&[Vec<f32>]]| mean_of(of, classes);
            let logits = mean(&taught.iter().map(|t| t.train.logits.as_slice()).collect::<Vec<_>>())?;
            // None where one of them was not asked.
            let of_valid: Option<Vec<_>> =
                taught.iter().map(|t| t.valid.as_ref().map(|said| said.logits.as_slice())).collect();
            let of_valid = of_valid.map(|of_valid| mean(&of_valid)).transpose()?;
            let params = taught.iter().map(|t| t.result.params).sum();
            let seconds = taught.iter().map(|t| t.result.seconds).sum();
            let of = fingerprint(&taught.iter().map(|t| t.of.as_str()).collect::<Vec<_>>());
            let mut first = Taught { of, ..taught.swap_remove(0) };
            first.train.logits = logits;
            first.valid = first.valid.zip(of_valid).map(|(said, logits)| Predictions { logits, ..said });
            first.result = TeacherResult { params, seconds, ..asked("ensemble") };
            Ok(first)
        }
        TeacherConfig::Logits { file } => {
            Ok(Taught::said("logits", read_logits(file, &data.labels, &texts)?, data.labels.len()))
        }
        TeacherConfig::Model { model } => {
            let logits = ask_model(model, &data.labels, question.texts, dir, host)?;
            Ok(Taught::said("model", logits, data.labels.len()))
        }
    }
}

/// What a language model says of texts. Its answers are kept as they come, and it is asked for those that are not there.
fn ask_model(model: &str, labels: &[String], texts: &[String], dir: &Path, host: &Host<'_>) -> Result<Vec<Vec<f32>>> {
    let path = dir.join(format!("said-{}.jsonl", fingerprint(&[model, &instruction(labels)])));
    let mut answers = Answers::open(&path, labels)?;
    let mut seen = HashSet::new();
    let new = texts.iter().filter(|text| answers.get(text).is_none() && seen.insert(text.as_str()));
    let rest: Vec<String> = new.cloned().collect();
    if !rest.is_empty() {
        let mut next = rest.iter();
        let all = rest.len() as u64;
        (host.ask)(model, labels, &rest, &mut |answer| {
            let text = next.next().ok_or_else(|| Error::Internal(format!("{model} gave more answers than texts")))?;
            answers.add(text, answer)?;
            host.say("teacher answers", all - next.len() as u64, all, String::new());
            Ok(())
        })?;
    }
    let answer = |text: &String| answers.get(text).cloned();
    let answers: Option<Vec<Vec<f32>>> = texts.iter().map(answer).collect();
    let mut answers = answers.ok_or_else(|| Error::Internal(format!("{model} gave fewer answers than texts")))?;
    calibrate(&mut answers);
    Ok(answers)
}

fn asked(kind: &str) -> TeacherResult {
    TeacherResult { kind: kind.into(), train: None, valid: None, accuracy: None, params: None, seconds: 0.0 }
}
