use candle_core::{Device, Result, Tensor, Var};
use rand::RngExt;

use super::*;
use crate::{
    ops::{Spans, shares},
    random::rng,
};

fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = rng(seed, "loss", 0);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.5..1.5)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Compares the gradient of the mean of `f`'s rows with differences.
fn check(input: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) {
    let var = Var::from_tensor(input).unwrap();
    let grads = f(var.as_tensor()).unwrap().mean_all().unwrap().backward().unwrap();
    let grad = grads.get(&var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let values = input.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(grad.iter().any(|g| g.abs() > 1e-5), "the gradient is not zero");
    for i in 0..values.len() {
        let at = |by: f32| -> f64 {
            let mut values = values.clone();
            values[i] += by;
            let moved = Tensor::from_vec(values, input.dims(), &Device::Cpu).unwrap();
            let rows = f(&moved).unwrap().to_vec1::<f32>().unwrap();
            rows.iter().map(|x| f64::from(*x)).sum::<f64>() / rows.len() as f64
        };
        let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
        assert!((slope - f64::from(grad[i])).abs() < 1e-3 * (1.0 + slope.abs()), "{i}: {slope} and {}", grad[i]);
    }
}

#[test]
fn divergences() {
    let (student, teacher) = (random(&[4, 6], 1), random(&[4, 6], 2));
    for kind in [Divergence::Forward, Divergence::Reverse, Divergence::Jsd] {
        for temperature in [1.0, 3.0] {
            check(&student, |x| divergence(x, &teacher, temperature, kind));
            let same = divergence(&teacher, &teacher, temperature, kind).unwrap().to_vec1::<f32>().unwrap();
            assert!(same.iter().all(|x| x.abs() < 1e-5), "no divergence from itself");
        }
    }
    // KL([.5, .5] ‖ [.25, .75]) by hand.
    let logits = |p: [f32; 2]| Tensor::new(&[p.map(f32::ln)], &Device::Cpu).unwrap();
    let kl = divergence(&logits([0.25, 0.75]), &logits([0.5, 0.5]), 1.0, Divergence::Forward).unwrap();
    assert!((kl.to_vec1::<f32>().unwrap()[0] - 0.143_841).abs() < 1e-5);
}

#[test]
fn a_low_temperature_leaves_numbers() {
    let logits = |row: [f32; 3]| Tensor::new(&[row], &Device::Cpu).unwrap();
    let (student, teacher) = (logits([20.0, 0.0, 0.0]), logits([19.0, 1.0, 0.0]));
    for kind in [Divergence::Forward, Divergence::Reverse, Divergence::Jsd] {
        let found = divergence(&student, &teacher, 0.1, kind).unwrap().to_vec1::<f32>().unwrap();
        assert!(found[0].is_finite() && found[0].abs() < 1e-3, "{kind:?}: {found:?}");
    }
}

#[test]
fn the_gradient_keeps_its_size_whatever_the_temperature() {
    let (student, teacher) = (random(&[4, 6], 1), random(&[4, 6], 2));
    let size = |temperature: f64| {
        let var = Var::from_tensor(&student).unwrap();
        let loss = divergence(&var, &teacher, temperature, Divergence::Forward).unwrap().mean_all().unwrap();
        let grad = loss.backward().unwrap().get(&var).unwrap().sqr().unwrap().sum_all().unwrap();
        grad.to_scalar::<f32>().unwrap().sqrt()
    };
    let ratio = size(20.0) / size(40.0);
    assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
}

#[test]
fn task_and_resistance() {
    let logits = random(&[4, 6], 1);
    let labels = Tensor::new(&[[0u32], [5], [2], [2]], &Device::Cpu).unwrap();
    let resistance = Tensor::new(&[0.1f32, 0.9, 0.5, 0.0], &Device::Cpu).unwrap();
    for smoothing in [0.0, 0.1] {
        check(&logits, |x| task_loss(x, &labels, smoothing));
    }
    check(&logits, |x| resistance_loss(&task_loss(x, &labels, 0.0)?, &resistance, 0.375));
    let task = Tensor::new(&[1f32, 1.0, 1.0, 1.0], &Device::Cpu).unwrap();
    let weighted = resistance_loss(&task, &resistance, 0.375).unwrap().to_vec1::<f32>().unwrap();
    assert!((weighted.iter().sum::<f32>() / 4.0 - 1.0).abs() < 1e-6 && weighted[3] == 0.0);
}

#[test]
fn alignment() {
    let spans = Spans::new([2, 1, 2]);
    let (student, teacher) = (random(&[5, 4], 3), random(&[5, 4], 4));
    for measure in [Measure::Mse, Measure::Cosine] {
        check(&student, |x| align(x, &teacher, measure, None));
        check(&student, |x| align(x, &teacher, measure, Some(&spans)));
        let same = align(&teacher, &teacher, measure, Some(&spans)).unwrap().to_vec1::<f32>().unwrap();
        assert!(same.len() == 3 && same.iter().all(|x| x.abs() < 1e-5));
    }
}

#[test]
fn semantic_distances_count_above_the_threshold() {
    let (student, teacher) = (random(&[5, 4], 3), random(&[5, 4], 4));
    let distances = semantic_distance(&student, &teacher).unwrap().to_vec1::<f32>().unwrap();
    assert!(distances.iter().all(|d| (0.0..=1.0).contains(d)));
    let threshold = f64::from(distances.iter().sum::<f32>()) / 5.0;
    check(&student, |x| semantic_loss(x, &teacher, threshold));
    let loss = semantic_loss(&student, &teacher, threshold).unwrap().to_vec1::<f32>().unwrap();
    for (loss, distance) in loss.iter().zip(&distances) {
        assert!((loss - (distance - threshold as f32).max(0.0)).abs() < 1e-6);
    }
    assert!(loss.contains(&0.0));
}

#[test]
fn attention_maps() {
    let spans = Spans::new([3, 2]);
    let teacher = random(&[13], 5).abs().unwrap();
    check(&random(&[5, 12], 6), |x| map_distance(&shares(x, &spans, 2)?, &teacher, &spans, 2));
}
