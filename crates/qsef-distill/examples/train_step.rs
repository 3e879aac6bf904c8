//! How long a training step takes: the counterpart of `benches/torch_step.py`, which runs both.
//!
//!     cargo run --release -p qsef-distill --example train_step -- LAYERS HIDDEN HEADS BATCH STEPS

use std::time::Instant;

use candle_core::{Device, Result, Tensor};
use qsef_distill::{
    batch::Batch,
    loss::task_loss,
    model::{Chance, Classifier, EncoderConfig},
    optim::{AdamW, AdamWSettings},
};

const VOCABULARY: u32 = 3000;
const CLASSES: u32 = 150;

/// The numbers that the other program draws, too (Park and Miller).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        (self.0 % u64::from(end)) as u32
    }
}

fn main() -> Result<()> {
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let [layers, hidden, heads, batch, steps] = given.as_slice() else {
        candle_core::bail!("give LAYERS HIDDEN HEADS BATCH STEPS as numbers");
    };
    let config = EncoderConfig::new(VOCABULARY as usize, *layers, *hidden, *heads, 64);
    let model = Classifier::random(&config, CLASSES as usize, 1, &Device::Cpu)?;
    let mut optimiser = AdamW::new(model.params(), AdamWSettings::default())?;
    let mut numbers = Numbers(7);
    let mut times = Vec::new();
    for step in 0..*steps {
        let texts: Vec<Vec<u32>> = (0..*batch)
            .map(|_| {
                let length = 5 + numbers.below(14);
                (0..length).map(|_| numbers.below(VOCABULARY)).collect()
            })
            .collect();
        let labels: Vec<u32> = (0..*batch).map(|_| numbers.below(CLASSES)).collect();
        let began = Instant::now();
        let batch = Batch::new(texts.iter().map(Vec::as_slice));
        let labels = Tensor::from_vec(labels, (texts.len(), 1), &Device::Cpu)?;
        let (logits, _) = model.forward(&batch, Chance { dropout: 0.1, seed: step as u64 })?;
        let loss = task_loss(&logits, &labels, 0.0)?.mean_all()?;
        optimiser.add(&loss.backward()?)?;
        optimiser.step(1e-3)?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("{:.3}", times.get(times.len() / 2).copied().unwrap_or_default());
    Ok(())
}
