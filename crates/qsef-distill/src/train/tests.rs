use std::{path::Path, sync::atomic::AtomicBool};

use super::*;
use crate::{
    batch::Batch,
    loss::{Objective, Settings, Targets},
    model::{Chance, Classifier, EncoderConfig},
    random::rng,
    sample::{Sampler, Sampling},
    teacher::{Keep, Knowledge, same_tokens, same_words},
    text::Tokens,
};
use candle_core::{Device, Tensor};
use qsef_candle::tags::Word;
use qsef_core::{Error, Result};
use rand::RngExt;

/// Texts with the classes of each, or of its words.
type Labelled = (Vec<Tokens>, Vec<Vec<usize>>);

/// Texts of three classes, told by which third of the vocabulary their tokens are of, with some noise.
fn texts(count: usize, seed: u64) -> Labelled {
    let mut rng = rng(seed, "texts", 0);
    (0..count)
        .map(|i| {
            let class = i % 3;
            let length = rng.random_range(2..7);
            let token = |_| {
                if rng.random::<f64>() < 0.2 {
                    rng.random_range(0..30)
                } else {
                    class as u32 * 10 + rng.random_range(0..10)
                }
            };
            (Tokens { ids: (0..length).map(token).collect(), words: Vec::new() }, vec![class])
        })
        .unzip()
}

/// The same texts, each word of which has a class: that of its own token. Some words have a token more.
fn words(count: usize, seed: u64) -> Labelled {
    let (mut texts, _) = texts(count, seed);
    let mut classes = Vec::new();
    for text in &mut texts {
        let ids = std::mem::take(&mut text.ids);
        for id in &ids {
            let token = text.ids.len() as u32;
            text.words.push(Word { tokens: token..token + 1, bytes: 0..1 });
            text.ids.push(*id);
            if id % 7 == 0 && text.ids.len() < 7 {
                text.ids.push(29);
            }
        }
        text.ids.truncate(8);
        text.words.retain(|word| word.tokens.start < 8);
        classes.push(text.words.iter().map(|word| text.ids[word.tokens.start as usize] as usize / 10).collect());
    }
    (texts, classes)
}

fn small(seed: u64, layers: usize, hidden: usize) -> Classifier {
    Classifier::random(&EncoderConfig::new(30, layers, hidden, 4, 8), 3, seed, &Device::Cpu).unwrap()
}

/// Every term at once.
fn all_terms() -> Settings {
    Settings {
        kd: 1.0,
        align: 0.5,
        maps: 0.1,
        semantic: 0.5,
        resistance: 0.5,
        layers: vec![(0, 0), (1, 2)],
        threshold: 0.01,
        tokens: true,
        ..Settings::default()
    }
}

/// The share of classes that are right.
fn right(labels: &[Vec<usize>], found: &Predictions) -> f64 {
    let said: Vec<usize> = found.logits.iter().flat_map(|text| text.chunks(3).map(likeliest)).collect();
    qsef_eval::metrics::accuracy(&labels.concat(), &said)
}

struct World {
    tokens: Vec<Tokens>,
    labels: Vec<Vec<usize>>,
    teacher: Knowledge,
    valid: Labelled,
    resistance: Vec<f32>,
}

impl World {
    fn new() -> Self {
        Self::of(texts)
    }

    fn of(texts: fn(usize, u64) -> Labelled) -> Self {
        let (tokens, labels) = texts(60, 1);
        let teacher = Knowledge::of_encoder(
            &small(9, 2, 16),
            &tokens,
            &[0, 2],
            Keep { tokens: true, maps: true },
            &|_| {},
            &AtomicBool::new(false),
        )
        .unwrap();
        let resistance = (0..60).map(|i| i as f32 / 60.0).collect();
        Self { tokens, labels, teacher, valid: texts(30, 2), resistance }
    }

    fn train(
        &self,
        student: &Classifier,
        loss: Settings,
        steps: u64,
        checkpoint: Option<&Path>,
        stop: Option<u64>,
    ) -> Result<(Trained, Vec<Logged>)> {
        let settings = TrainSettings {
            steps: 40,
            batch: 12,
            accumulate: 2,
            rate: 5e-3,
            validate_every: 5,
            checkpoint_every: 15,
            ..TrainSettings::default()
        };
        let trainer = Trainer {
            settings: TrainSettings { steps, ..settings },
            student,
            objective: Objective::new(loss, 8, 16, 0.5, 3, &Device::Cpu).unwrap(),
            sampler: Sampler::new(Sampling::Dynamic, &self.resistance, 12, 40, 3),
            tokens: &self.tokens,
            labels: &self.labels,
            resistance: &self.resistance,
            variants: &[],
            augment: 0.0,
            teacher: Some(&self.teacher),
            valid: (&self.valid.0, &|found: &Predictions| right(&self.valid.1, found)),
            valid_vectors: None,
            seed: 3,
            checkpoint: checkpoint.map(|path| (path.to_owned(), "a run".into())),
        };
        let cancel = AtomicBool::new(false);
        let mut lines = Vec::new();
        let mut log = |line: &Logged| {
            lines.push(line.clone());
            if stop == Some(line.step) {
                cancel.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        };
        let trained = trainer.run(&mut Watch { log: &mut log, cancel: &cancel })?;
        Ok((trained, lines))
    }
}

fn values(model: &Classifier) -> Vec<Vec<f32>> {
    model.params().iter().map(|(_, var)| var.flatten_all().unwrap().to_vec1().unwrap()).collect()
}

#[test]
fn every_variable_gets_a_gradient() {
    for world in [World::new(), World::of(words)] {
        let student = small(1, 2, 8);
        let mut objective = Objective::new(all_terms(), 8, 16, 0.5, 3, &Device::Cpu).unwrap();
        let rows: Vec<usize> = (0..60).collect();
        let batch = Batch::of(&world.tokens);
        let labels: Vec<u32> = world.labels.iter().flatten().map(|l| *l as u32).collect();
        let count = labels.len();
        let mut targets = Targets {
            labels: Some(Tensor::from_vec(labels, (count, 1), &Device::Cpu).unwrap()),
            resistance: Some(Tensor::from_vec(world.resistance.clone(), 60, &Device::Cpu).unwrap()),
            ..Targets::default()
        };
        world.teacher.targets(&rows, objective.settings(), &Device::Cpu, &mut targets).unwrap();
        let (logits, pass) = student.forward(&batch, Chance::default()).unwrap();
        let loss = objective.of(&logits, &pass, &batch, &targets, 4).unwrap();
        assert_eq!((loss.terms.len(), loss.task.len()), (6, 60));
        let grads = loss.total.backward().unwrap();
        let mut params = student.params().clone();
        params.extend(objective.params());
        for (name, var) in params.iter() {
            let grad = grads.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
            let largest = grad.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            // Of a key's bias softmax sees nothing; query and value make up the rest of that variable.
            assert!(largest > 1e-7, "{name}: {largest}");
        }
    }
}

#[test]
fn a_student_learns_and_every_term_falls() {
    for mut world in [World::new(), World::of(words)] {
        // A teacher that knows the classes; what an untrained encoder has inside is a fixed map of the words, which can be learnt, too.
        for (logits, labels) in world.teacher.logits.iter_mut().zip(&world.labels) {
            logits.fill(0.0);
            labels.iter().zip(logits.chunks_mut(3)).for_each(|(label, row)| row[*label] = 4.0);
        }
        let student = small(1, 1, 8);
        let loss = Settings { layers: vec![(0, 0), (1, 2)], ..all_terms() };
        let (trained, lines) = world.train(&student, loss, 300, None, None).unwrap();
        assert!(trained.valid > 0.8, "{trained:?}");
        let mean = |lines: &[Logged], i: usize| lines.iter().map(|l| l.terms[i].1).sum::<f32>() / lines.len() as f32;
        for (i, (term, _)) in lines[0].terms.iter().enumerate() {
            let (first, last) = (mean(&lines[..10], i), mean(&lines[290..], i));
            assert!(last < first, "{term:?} goes from {first} to {last}");
        }
        assert!(lines.last().unwrap().distance < lines[0].distance);
    }
}

#[test]
fn a_step_in_parts_is_the_same_step() {
    let world = World::new();
    let step = |accumulate: usize| {
        let student = small(1, 2, 8);
        let loss = Settings { normalise: false, ..all_terms() };
        let settings = TrainSettings { steps: 1, batch: 10, accumulate, dropout: 0.0, ..TrainSettings::default() };
        let trainer = Trainer {
            settings,
            student: &student,
            objective: Objective::new(loss, 8, 16, 0.5, 3, &Device::Cpu).unwrap(),
            sampler: Sampler::new(Sampling::Dynamic, &world.resistance, 10, 1, 3),
            tokens: &world.tokens,
            labels: &world.labels,
            resistance: &world.resistance,
            variants: &[],
            augment: 0.0,
            teacher: Some(&world.teacher),
            valid: (&world.valid.0, &|found: &Predictions| right(&world.valid.1, found)),
            valid_vectors: None,
            seed: 3,
            checkpoint: None,
        };
        let (mut lines, cancel) = (Vec::new(), AtomicBool::new(false));
        trainer.run(&mut Watch { log: &mut |line: &Logged| lines.push(line.clone()), cancel: &cancel }).unwrap();
        lines.remove(0)
    };
    let whole = step(1);
    // Three rows and one; four and two.
    for parts in [step(4), step(3)] {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-4 * a.abs().max(1.0), "{whole:?}\n{parts:?}");
        near(whole.total.into(), parts.total.into());
        near(whole.gradient, parts.gradient);
        near(whole.distance.unwrap().into(), parts.distance.unwrap().into());
        for ((term, a), (same, b)) in whole.terms.iter().zip(&parts.terms) {
            assert_eq!(term, same);
            near((*a).into(), (*b).into());
        }
    }
}

#[test]
fn what_is_resumed_is_what_was_not_interrupted() {
    let world = World::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.safetensors");
    let (whole, interrupted) = (small(1, 2, 8), small(1, 2, 8));
    let (straight, lines) = world.train(&whole, all_terms(), 40, None, None).unwrap();
    let cancelled = world.train(&interrupted, all_terms(), 40, Some(&path), Some(23)).unwrap_err();
    assert!(matches!(cancelled, Error::Cancelled));
    // A new process would begin with other values.
    let resumed = small(2, 2, 8);
    let (rest, later) = world.train(&resumed, all_terms(), 40, Some(&path), None).unwrap();
    assert_eq!(later[0].step, 24);
    assert_eq!(
        lines[23..].iter().map(|l| l.total).collect::<Vec<_>>(),
        later.iter().map(|l| l.total).collect::<Vec<_>>()
    );
    assert_eq!((straight.valid, straight.best_step), (rest.valid, rest.best_step));
    assert_eq!(values(&whole), values(&resumed));
}

#[test]
fn a_loss_that_is_no_number_is_named_and_the_checkpoint_stays() {
    let world = World::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.safetensors");
    let student = small(1, 2, 8);
    world.train(&student, all_terms(), 40, Some(&path), Some(20)).unwrap_err();
    let before = std::fs::read(&path).unwrap();
    let mut broken = World::new();
    broken.teacher.logits.iter_mut().for_each(|row| row[1] = f32::NAN);
    let error = broken.train(&small(1, 2, 8), all_terms(), 40, Some(&path), None).unwrap_err().to_string();
    assert!(
        error.contains("step 21: the term `kd` is NaN") && error.contains("best variables before it are kept"),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_checkpoint_of_another_run_and_a_damaged_one_are_refused() {
    let world = World::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.safetensors");
    world.train(&small(1, 2, 8), all_terms(), 40, Some(&path), Some(3)).unwrap_err();
    let error = Checkpoint::read(&path, "another run").unwrap_err().to_string();
    assert!(error.contains("other settings") && error.contains("checkpoint.safetensors"), "{error}");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(Checkpoint::read(&path, "a run").unwrap_err().to_string().contains("damaged"));
}

#[test]
fn a_teacher_with_other_tokens_is_refused() {
    let world = World::new();
    let texts = vec!["a text"; 60];
    same_tokens(&texts, &world.tokens, &world.tokens).unwrap();
    let mut tokens = world.tokens.clone();
    tokens[7].ids.push(1);
    let error = same_tokens(&texts, &tokens, &world.tokens).unwrap_err().to_string();
    assert!(error.contains("vocabularies differ: \"a text\""), "{error}");
}

#[test]
fn a_teacher_with_other_words_is_refused() {
    let world = World::of(words);
    let texts = vec!["a text"; 60];
    same_words(&texts, &world.tokens, &world.tokens).unwrap();
    let mut tokens = world.tokens.clone();
    tokens[7].words[0].bytes = 0..2;
    let error = same_words(&texts, &tokens, &world.tokens).unwrap_err().to_string();
    assert!(error.contains("vocabularies differ: \"a text\" has"), "{error}");
}
