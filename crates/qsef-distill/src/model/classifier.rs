use std::collections::HashMap;

use candle_core::{Device, Result, Tensor, Var};

use super::{
    Chance, Encoder, EncoderConfig, Params, Pass,
    params::{Source, Start, random},
};
use crate::{batch::Batch, ops, random::rng};

/// An encoder with a head that tells classes apart: of texts by the mean of their tokens, or of words by the first token of each.
pub struct Classifier {
    encoder: Encoder,
    weight: Var,
    bias: Var,
    params: Params,
    classes: usize,
}

impl Classifier {
    /// From scratch, on a device.
    ///
    /// # Errors
    /// For a shape that [`EncoderConfig::check`] refuses.
    pub fn random(config: &EncoderConfig, classes: usize, seed: u64, device: &Device) -> Result<Self> {
        Self::new(config, Source::Random(Box::new(rng(seed, "weights", 0))), classes, seed, device)
    }

    /// From the tensors of a BERT file; a head that is not among them, or is for another number of classes, begins at random.
    ///
    /// # Errors
    /// For a tensor that is missing or has another shape than the config says.
    pub fn of_tensors(
        config: &EncoderConfig,
        tensors: &HashMap<String, Tensor>,
        classes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        Self::new(config, Source::File(tensors), classes, seed, device)
    }

    fn new(config: &EncoderConfig, mut source: Source<'_>, classes: usize, seed: u64, device: &Device) -> Result<Self> {
        let mut params = Params::on(device);
        let encoder = Encoder::new(config, &mut source, &mut params)?;
        let hidden = config.hidden_size;
        let (weight, bias) = match &mut source {
            Source::File(tensors)
                if tensors.get("classifier.weight").is_some_and(|head| head.dims() == [classes, hidden]) =>
            {
                (
                    source.get("classifier.weight", &[classes, hidden], Start::All(0.0))?.t()?.contiguous()?,
                    source.get("classifier.bias", &[classes], Start::All(0.0))?,
                )
            }
            _ => {
                let mut rng = rng(seed, "head", 0);
                (
                    random(&mut rng, &[hidden, classes], Start::Normal(0.02))?,
                    random(&mut rng, &[classes], Start::All(0.0))?,
                )
            }
        };
        let (weight, bias) = (params.add("head.weight", &weight)?, params.add("head.bias", &bias)?);
        Ok(Self { encoder, weight, bias, params, classes })
    }

    /// Leaves the words' vectors as they are from now on: they are most of a large vocabulary's cost.
    pub fn fix_words(&mut self) {
        self.encoder.words_fixed = true;
    }

    /// Its encoder.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Its variables, the head's last.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Those of them that are trained.
    pub fn trained(&self) -> Params {
        self.params.filter(|name| !(self.encoder.words_fixed && name == "words"))
    }

    /// The head's map, (hidden, classes).
    pub(crate) fn head(&self) -> &Tensor {
        self.weight.as_tensor()
    }

    /// Classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// A pass with its logits, (texts, classes), or (words, classes) for a batch with words.
    ///
    /// # Errors
    /// As [`Encoder::forward`].
    pub fn forward(&self, batch: &Batch, chance: Chance) -> Result<(Tensor, Pass)> {
        let pass = self.encoder.forward(batch, chance)?;
        let vectors = match (&batch.words, pass.states.last()) {
            (Some(words), Some(states)) => ops::rows(states, words.tokens.clone())?,
            _ => pass.pooled.clone(),
        };
        let vectors = ops::dropout(&vectors, chance.dropout, chance.seed ^ 0x_6865_6164)?;
        let logits = ops::add_bias(&vectors.matmul(&self.weight)?, &self.bias)?;
        Ok((logits, pass))
    }
}
