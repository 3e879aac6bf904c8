use candle_core::{Device, Result, Tensor, Var};
use rand::RngExt;

use super::*;
use crate::random::rng;

fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = rng(seed, "test", 0);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Compares the gradients of a weighted sum of `f`'s results with differences.
fn check(inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let vars: Vec<Var> = inputs.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let out = f(&tensors).unwrap();
    let weights = random(out.dims(), 99);
    let grads = (out * &weights).unwrap().sum_all().unwrap().backward().unwrap();
    let at = |inputs: &[Tensor]| -> f64 {
        let out = (f(inputs).unwrap() * &weights).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        out.into_iter().map(f64::from).sum()
    };
    for (place, var) in vars.iter().enumerate() {
        let grad = grads.get(var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let values = inputs[place].flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for i in 0..values.len() {
            let moved = |by: f32| {
                let mut values = values.clone();
                values[i] += by;
                let mut inputs = inputs.to_vec();
                inputs[place] = Tensor::from_vec(values, inputs[place].dims(), &Device::Cpu).unwrap();
                at(&inputs)
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            let error = (slope - f64::from(grad[i])).abs();
            assert!(error < 2e-3 * (1.0 + slope.abs()), "input {place}, number {i}: {slope} and {}", grad[i]);
        }
    }
}

#[test]
fn gradients_are_those_of_differences() {
    let spans = Spans::new([3, 1, 4]);
    check(&[random(&[5, 7], 1), random(&[7], 2)], |t| add_bias(&t[0], &t[1]));
    check(&[random(&[5, 7], 1), random(&[7], 2)], |t| add_bias_gelu(&t[0], &t[1]));
    check(&[random(&[5, 11], 1), random(&[5, 11], 2), random(&[2, 11], 3)], |t| norm_of_sum(&t[0], &t[1], &t[2], 1e-5));
    check(&[random(&[6, 5], 1)], |t| rows(&t[0], [2, 0, 5, 2].into()));
    check(&[random(&[8, 5], 1)], |t| mean_of_texts(&t[0], &spans));
    check(&[random(&[8, 24], 1)], |t| shares(&t[0], &spans, 2));
    check(&[random(&[8, 24], 1)], |t| mix(&shares(&t[0], &spans, 2)?, &t[0], &spans, 2));
    check(&[random(&[8, 24], 1)], |t| mean_of_heads(&shares(&t[0], &spans, 2)?, &spans, 2));
    let matrix = random(&[5, 6], 2);
    check(&[random(&[9, 5], 1)], |t| times(&t[0], &matrix));
    check(&[random(&[9, 6], 1)], |t| times(&t[0], &matrix.t()?));
    check(&[random(&[9, 5], 1)], |t| dropout(&t[0], 0.3, 7));
}

/// Compares values and gradients of an operation with those of what is composed of candle's.
fn same(inputs: &[Tensor], one: impl Fn(&[Tensor]) -> Result<Tensor>, other: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let run = |f: &dyn Fn(&[Tensor]) -> Result<Tensor>| -> Vec<Vec<f32>> {
        let vars: Vec<Var> = inputs.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
        let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
        let out = f(&tensors).unwrap();
        let grads = (&out * random(out.dims(), 99)).unwrap().sum_all().unwrap().backward().unwrap();
        let of_vars = vars.iter().map(|var| grads.get(var).unwrap().clone());
        std::iter::once(out).chain(of_vars).map(|t| t.flatten_all().unwrap().to_vec1().unwrap()).collect()
    };
    for (a, b) in run(&one).into_iter().zip(run(&other)) {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() < 1e-5 * (1.0 + a.abs()), "{a} and {b}");
        }
    }
}

#[test]
fn other_devices_compute_the_same() {
    let spans = Spans::new([3, 1, 4]);
    let biased = [random(&[5, 7], 1), random(&[7], 2)];
    same(&biased, |t| add_bias(&t[0], &t[1]), |t| composed::add_bias(&t[0], &t[1]));
    same(&biased, |t| add_bias_gelu(&t[0], &t[1]), |t| composed::add_bias_gelu(&t[0], &t[1]));
    same(
        &[random(&[5, 11], 1), random(&[5, 11], 2), random(&[2, 11], 3)],
        |t| norm_of_sum(&t[0], &t[1], &t[2], 1e-5),
        |t| composed::norm_of_sum(&t[0], &t[1], &t[2], 1e-5),
    );
    let ids = [2, 0, 5, 2];
    same(&[random(&[6, 5], 1)], |t| rows(&t[0], ids.into()), |t| composed::rows(&t[0], &ids));
    let texts = [random(&[8, 24], 1)];
    same(&texts, |t| mean_of_texts(&t[0], &spans), |t| composed::mean_of_texts(&t[0], &spans));
    same(&texts, |t| shares(&t[0], &spans, 2), |t| composed::shares(&t[0], &spans, 2));
    same(
        &texts,
        |t| mix(&shares(&t[0], &spans, 2)?, &t[0], &spans, 2),
        |t| composed::mix(&composed::shares(&t[0], &spans, 2)?, &t[0], &spans, 2),
    );
    same(
        &texts,
        |t| mean_of_heads(&shares(&t[0], &spans, 2)?, &spans, 2),
        |t| composed::mean_of_heads(&composed::shares(&t[0], &spans, 2)?, &spans, 2),
    );
}

#[test]
fn dropout_keeps_the_mean_and_depends_on_its_seed() {
    let ones = Tensor::ones((100, 1000), candle_core::DType::F32, &Device::Cpu).unwrap();
    let mean = |seed| dropout(&ones, 0.1, seed).unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap();
    assert!((mean(1) - 1.0).abs() < 0.01);
    assert_ne!(mean(1), mean(2));
    assert_eq!(mean(1), mean(1));
}
