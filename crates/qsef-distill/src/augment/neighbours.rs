//! Words replaced by those whose vectors are near in a pretrained model, or left out: what a student would not see in few rows. As Jiao et
//! al. (TinyBERT, 2020) do with GloVe.

use std::collections::{BTreeSet, HashMap, HashSet};

use candle_core::{D, Device, Result as Candle, Tensor};
use qsef_core::{Error, Result};
use rand::RngExt;

use super::EMPTY;
use crate::{random::rng, text::Words};

/// Neighbours that stand in for a word.
const NEAREST: usize = 6;
/// The least cosine of a neighbour.
const LEAST: f32 = 0.45;
/// How often a word is replaced, and how often it is left out.
const REPLACED: f64 = 0.3;
const LEFT_OUT: f64 = 0.1;
/// Words that are compared with all others at a time.
const AT_A_TIME: usize = 256;

/// The neighbours of the words of some texts.
pub struct Neighbours(HashMap<String, Vec<String>>);

impl Neighbours {
    /// Among the whole words of a model's vocabulary, by the vectors that `tensors` (of a BERT file) have for them.
    ///
    /// # Errors
    /// [`Error::ModelFile`] where there are no vectors of words.
    pub fn new(words: &Words, tensors: &HashMap<String, Tensor>, texts: &[&str]) -> Result<Self> {
        let table = tensors.get("embeddings.word_embeddings.weight");
        let table = table.ok_or_else(|| Error::ModelFile("the model has no vectors of words".into()))?;
        let vocabulary = words.whole_words();
        let wanted: BTreeSet<&str> = texts.iter().flat_map(|text| text.split_whitespace()).collect();
        let own: Vec<(&str, u32)> = wanted
            .into_iter()
            .filter(|word| !EMPTY.contains(word))
            .filter_map(|word| Some((word, *vocabulary.get(word)?)))
            .collect();
        let found = nearest(table, &vocabulary, &own);
        found.map(Self).map_err(|e| Error::Internal(format!("neighbours of words: {e}")))
    }

    /// At most `count` variants of a text that differ from it and from each other; `seed` decides which.
    pub fn variants(&self, text: &str, count: usize, seed: u64) -> Vec<String> {
        let mut rng = rng(seed, "neighbours", 0);
        let mut seen = HashSet::from([text.to_owned()]);
        let mut variants = Vec::new();
        for _ in 0..2 * count {
            let mut words = Vec::new();
            for word in text.split_whitespace() {
                let chance: f64 = rng.random();
                let near = self.0.get(word).filter(|near| !near.is_empty());
                let which = rng.random_range(0..near.map_or(1, Vec::len));
                match near.and_then(|near| near.get(which)) {
                    Some(other) if chance < REPLACED => words.push(other.as_str()),
                    _ if chance > 1.0 - LEFT_OUT => {}
                    _ => words.push(word),
                }
            }
            let variant = words.join(" ");
            if words.len() > 1 && variants.len() < count && seen.insert(variant.clone()) {
                variants.push(variant);
            }
        }
        variants
    }
}

fn nearest(
    table: &Tensor,
    vocabulary: &HashMap<String, u32>,
    own: &[(&str, u32)],
) -> Candle<HashMap<String, Vec<String>>> {
    let mut all: Vec<(&String, u32)> = vocabulary.iter().map(|(word, id)| (word, *id)).collect();
    all.sort_by_key(|(_, id)| *id);
    let unit = |ids: Vec<u32>| -> Candle<Tensor> {
        let count = ids.len();
        let rows = table.index_select(&Tensor::from_vec(ids, count, &Device::Cpu)?, 0)?;
        rows.broadcast_div(&rows.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?)
    };
    let others = unit(all.iter().map(|(_, id)| *id).collect())?.t()?.contiguous()?;
    let mut found = HashMap::new();
    for part in own.chunks(AT_A_TIME) {
        let cosines = unit(part.iter().map(|(_, id)| *id).collect())?.matmul(&others)?.to_vec2::<f32>()?;
        for ((word, id), cosines) in part.iter().zip(cosines) {
            let near = cosines.into_iter().zip(&all).filter(|(cosine, (_, other))| *cosine >= LEAST && other != id);
            let mut near: Vec<(f32, &String)> = near.map(|(cosine, (other, _))| (cosine, *other)).collect();
            near.sort_by(|a, b| b.0.total_cmp(&a.0));
            let near = near.into_iter().take(NEAREST).map(|(_, other)| other.clone()).collect();
            found.insert((*word).to_owned(), near);
        }
    }
    Ok(found)
}
