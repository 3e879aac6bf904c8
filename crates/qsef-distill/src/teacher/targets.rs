use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Device, Result as Candle, Tensor};
use qsef_core::{Error, Result};

use crate::{
    batch::Batch,
    loss::{Settings, Targets},
    model::{Chance, Classifier},
    ops::{mean_of_heads, mean_of_texts},
    text::Tokens,
    train::{by_text, likeliest, softmax},
};

/// Texts that a teacher reads at a time.
const AT_A_TIME: usize = 64;

/// What a teacher says of texts, computed once: a student asks for it thousands of times.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    /// Logits by text, of its classes or of those of its words, one word's after the other's; where a teacher gives probabilities only,
    /// their logarithms.
    pub logits: Vec<Vec<f32>>,
    /// Classes.
    pub classes: usize,
    /// What an encoder has inside, where the teacher is one.
    pub inner: Option<Inner>,
}

/// What an encoder has inside, by text.
#[derive(Debug, Clone, Default)]
pub struct Inner {
    /// Width of its vectors.
    pub width: usize,
    /// The mean of the last layer's tokens.
    pub pooled: Vec<Vec<f32>>,
    /// The layers of [`Inner::states`].
    pub layers: Vec<usize>,
    /// The states of each layer that a loss compares: the tokens', one after the other, or their mean.
    pub states: Vec<Vec<Vec<f32>>>,
    /// The attention maps, averaged over heads, of the same layers; empty for layer 0.
    pub maps: Vec<Vec<Vec<f32>>>,
}

/// What is kept of a teacher's layers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keep {
    /// Every token's state, and not their mean.
    pub tokens: bool,
    /// The attention maps.
    pub maps: bool,
}

/// Cuts the numbers of a batch's texts apart.
fn cut(flat: Vec<f32>, sizes: impl Iterator<Item = usize>) -> Vec<Vec<f32>> {
    let mut rest = flat.as_slice();
    let mut parts = Vec::new();
    for size in sizes {
        let (part, after) = rest.split_at(size.min(rest.len()));
        parts.push(part.to_vec());
        rest = after;
    }
    parts
}

/// Whether the student's tokens are as many as the teacher's, so that their states can be compared one by one.
///
/// # Errors
/// [`Error::Input`] naming the first text that differs.
pub fn same_tokens(texts: &[&str], student: &[Tokens], teacher: &[Tokens]) -> Result<()> {
    let all = texts.iter().zip(student).zip(teacher).map(|((text, student), teacher)| (text, student, teacher));
    let Some((text, student, teacher)) = all.into_iter().find(|(_, a, b)| a.ids.len() != b.ids.len()) else {
        return Ok(());
    };
    Err(Error::Input(format!(
        "vocabularies differ: {text:?} has {} tokens for the student and {} for the teacher, so neither states token by token nor \
         attention maps can be compared; leave out `tokens` and `maps`, or give the student the teacher's vocabulary",
        student.ids.len(),
        teacher.ids.len()
    )))
}

/// Whether the student's words are the teacher's, so that what is said of them can be compared.
///
/// # Errors
/// [`Error::Input`] naming the first text that differs.
pub fn same_words(texts: &[&str], student: &[Tokens], teacher: &[Tokens]) -> Result<()> {
    let places = |text: &Tokens| text.words.iter().map(|word| word.bytes.clone()).collect::<Vec<_>>();
    let mut all = texts.iter().zip(student).zip(teacher);
    let Some(((text, student), teacher)) = all.find(|((_, a), b)| places(a) != places(b)) else { return Ok(()) };
    Err(Error::Input(format!(
        "vocabularies differ: {text:?} has {} words for the student and {} for the teacher, or they are cut elsewhere; give the student a \
         tokenizer that cuts words as the teacher's does",
        student.words.len(),
        teacher.words.len()
    )))
}

/// The logarithms of the mean probabilities that several teachers give: each one's logits by text, of `classes` classes or of those of its words.
///
/// # Errors
/// [`Error::Input`] where they do not know the same texts and classes.
pub fn mean_of(all: &[&[Vec<f32>]], classes: usize) -> Result<Vec<Vec<f32>>> {
    let shape = |one: &[Vec<f32>]| one.iter().map(Vec::len).collect::<Vec<_>>();
    if all.windows(2).any(|pair| matches!(pair, [a, b] if shape(a) != shape(b))) {
        return Err(Error::Input("the teachers of an ensemble know different texts or classes".into()));
    }
    let Some(first) = all.first() else { return Ok(Vec::new()) };
    let mean = |text: usize| {
        let mut sum = vec![0f32; first.get(text).map_or(0, Vec::len)];
        for row in all.iter().filter_map(|one| one.get(text)) {
            let shares = row.chunks(classes.max(1)).flat_map(softmax);
            sum.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
        }
        sum.into_iter().map(|p| (p / all.len() as f32).max(1e-9).ln()).collect()
    };
    Ok((0..first.len()).map(mean).collect())
}

impl Knowledge {
    /// What an encoder says of texts that are its own tokens. `layers` are those whose states are kept. `on` hears how many texts are done; where it is cancelled, the rest is left out.
    ///
    /// # Errors
    /// Candle's own.
    pub fn of_encoder(
        model: &Classifier,
        tokens: &[Tokens],
        layers: &[usize],
        keep: Keep,
        on: &dyn Fn(usize),
        cancel: &AtomicBool,
    ) -> Candle<Self> {
        let width = model.encoder().config().hidden_size;
        let heads = model.encoder().config().num_attention_heads;
        let mut inner = Inner {
            width,
            layers: layers.to_vec(),
            states: vec![Vec::new(); layers.len()],
            maps: vec![Vec::new(); layers.len()],
            ..Inner::default()
        };
        let mut logits = Vec::with_capacity(tokens.len());
        for part in tokens.chunks(AT_A_TIME) {
            if cancel.load(Ordering::Relaxed) {
                break;
            }
            let batch = Batch::of(part);
            let (of_part, pass) = model.forward(&batch, Chance::default())?;
            logits.extend(by_text(of_part.to_vec2::<f32>()?, &batch));
            inner.pooled.extend(pass.pooled.to_vec2::<f32>()?);
            for ((layer, states), to) in layers.iter().zip(&mut inner.states).zip(&mut inner.maps) {
                let Some(state) = pass.states.get(*layer) else {
                    candle_core::bail!("the teacher has no layer {layer}")
                };
                if keep.tokens {
                    states.extend(cut(state.flatten_all()?.to_vec1()?, batch.spans.iter().map(|s| s.len() * width)));
                } else {
                    states.extend(mean_of_texts(state, &batch.spans)?.to_vec2::<f32>()?);
                }
                if let (true, Some(shares)) = (keep.maps, layer.checked_sub(1).and_then(|i| pass.shares.get(i))) {
                    let mean = mean_of_heads(shares, &batch.spans, heads)?.to_vec1()?;
                    to.extend(cut(mean, batch.spans.iter().map(|s| s.len() * s.len())));
                }
            }
            on(logits.len());
        }
        Ok(Self { logits, classes: model.classes(), inner: Some(inner) })
    }

    /// What is known of each text without what is inside.
    pub fn of_logits(logits: Vec<Vec<f32>>, classes: usize) -> Self {
        Self { logits, classes, inner: None }
    }

    /// Texts that it knows.
    pub fn len(&self) -> usize {
        self.logits.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.logits.is_empty()
    }

    /// The likeliest class of each text, or those of its words.
    pub fn answers(&self) -> Vec<Vec<usize>> {
        self.logits.iter().map(|text| text.chunks(self.classes.max(1)).map(likeliest).collect()).collect()
    }

    /// For each text the probability of its class, or the mean of those of its words.
    pub fn probability(&self, labels: &[Vec<usize>]) -> Vec<f32> {
        let of = |(logits, labels): (&Vec<f32>, &Vec<usize>)| {
            let each = logits.chunks(self.classes.max(1)).zip(labels);
            let sum: f32 = each.map(|(row, label)| softmax(row).nth(*label).unwrap_or_default()).sum();
            sum / labels.len().max(1) as f32
        };
        self.logits.iter().zip(labels).map(of).collect()
    }

    /// The targets of some texts, on a device.
    ///
    /// # Errors
    /// Candle's own.
    pub fn targets(&self, rows: &[usize], settings: &Settings, device: &Device, to: &mut Targets) -> Candle<()> {
        let matrix = |from: &[Vec<f32>], width: Option<usize>| -> Candle<Tensor> {
            let flat: Vec<f32> = rows.iter().filter_map(|row| from.get(*row)).flatten().copied().collect();
            let count = flat.len();
            match width {
                Some(width) => Tensor::from_vec(flat, (count / width.max(1), width), device),
                None => Tensor::from_vec(flat, count, device),
            }
        };
        if settings.kd > 0.0 {
            to.logits = Some(matrix(&self.logits, Some(self.classes))?);
        }
        let Some(inner) = self.inner.as_ref().filter(|_| settings.needs_states()) else { return Ok(()) };
        to.pooled = Some(matrix(&inner.pooled, Some(inner.width))?);
        let of_layer = |kept: &[Vec<Vec<f32>>], layer: usize, width: Option<usize>| {
            let place = inner.layers.iter().position(|l| *l == layer);
            let Some(kept) = place.and_then(|place| kept.get(place)) else {
                candle_core::bail!("the teacher's layer {layer} was not kept")
            };
            matrix(kept, width)
        };
        if settings.align > 0.0 {
            for (_, layer) in &settings.layers {
                to.states.push(of_layer(&inner.states, *layer, Some(inner.width))?);
            }
        }
        if settings.maps > 0.0 {
            for (_, layer) in settings.layers_with_maps() {
                to.maps.push(of_layer(&inner.maps, layer, None)?);
            }
        }
        Ok(())
    }
}
