//! Products of matrices on all cores, quick for short texts too.

use std::sync::OnceLock;

use candle_core::{Result, Tensor, utils::barrier_pool};
use candle_nn::VarBuilder;
use pulp::{Arch, Simd, WithSimd};

/// Rows of `x` that share one reading of two rows of the weight: eight sums, all of which find a register.
const BLOCK: usize = 4;

/// Parts that a product is divided into for the threads: more than there are of these, so that none waits long.
const PARTS: usize = 16;

/// `x·Wᵀ + b` in 32 bits.
pub(super) struct Linear {
    inputs: usize,
    /// (outputs, inputs).
    weight: Vec<f32>,
    /// (outputs).
    bias: Vec<f32>,
    /// What becomes of an output.
    activation: fn(&mut [f32]),
}

impl Linear {
    /// One map to the outputs of several parts, side by side. Each part has `outputs` rows of `inputs` weights.
    pub fn load(inputs: usize, outputs: usize, parts: &[VarBuilder]) -> Result<Self> {
        let weights = parts.iter().map(|p| p.get((outputs, inputs), "weight")).collect::<Result<Vec<_>>>()?;
        let biases = parts.iter().map(|p| p.get(outputs, "bias")).collect::<Result<Vec<_>>>()?;
        let weight = Tensor::cat(&weights, 0)?.flatten_all()?.to_vec1()?;
        Ok(Self { inputs, weight, bias: Tensor::cat(&biases, 0)?.to_vec1()?, activation: |_| {} })
    }

    /// With GELU after it.
    pub fn with_gelu(self) -> Self {
        Self { activation: gelu, ..self }
    }

    /// `x`: (rows, inputs), to (rows, outputs).
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        let inputs = self.inputs.max(1);
        let x: Vec<&[f32]> = x.chunks_exact(inputs).collect();
        let share = self.bias.len().div_ceil(PARTS).next_multiple_of(2).max(2);
        let parts: Vec<_> = self.weight.chunks(share * inputs).zip(self.bias.chunks(share)).collect();
        let mapped = in_parallel(&parts, |(weight, bias)| {
            let mut mapped = product(&x, weight, inputs);
            for row in mapped.chunks_mut(bias.len()) {
                row.iter_mut().zip(*bias).for_each(|(to, bias)| *to += bias);
            }
            (self.activation)(&mut mapped);
            mapped
        });
        side_by_side(&mapped, x.len())
    }
}

/// What `compute` makes of each item, on candle's own threads, which wait for more work for a while: others would have to
/// take turns with them.
pub(super) fn in_parallel<T: Sync>(items: &[T], compute: impl Fn(&T) -> Vec<f32> + Sync) -> Vec<Vec<f32>> {
    let computed: Vec<(&T, OnceLock<Vec<f32>>)> = items.iter().map(|item| (item, OnceLock::new())).collect();
    barrier_pool().execute_chunked(items.len(), |range| {
        for (item, slot) in computed.get(range).unwrap_or_default() {
            slot.get_or_init(|| compute(item));
        }
    });
    computed.into_iter().map(|(_, slot)| slot.into_inner().unwrap_or_default()).collect()
}

/// One matrix of some that have equally many rows.
pub(super) fn side_by_side(parts: &[Vec<f32>], rows: usize) -> Vec<f32> {
    let mut all = Vec::with_capacity(parts.iter().map(Vec::len).sum());
    for row in 0..rows {
        for part in parts {
            let width = part.len() / rows;
            all.extend_from_slice(part.get(row * width..(row + 1) * width).unwrap_or_default());
        }
    }
    all
}

/// `x·Wᵀ`, (rows, outputs), on this thread. `x` has rows of `inputs` values, `weight` is (outputs, inputs).
pub(super) fn product(x: &[&[f32]], weight: &[f32], inputs: usize) -> Vec<f32> {
    let mut products = vec![0.0; x.len() * weight.len() / inputs];
    Arch::new().dispatch(Product { x, weight, inputs, products: &mut products });
    products
}

struct Product<'a> {
    x: &'a [&'a [f32]],
    weight: &'a [f32],
    inputs: usize,
    products: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Product { x, weight, inputs, products } = self;
        let width = weight.len() / inputs;
        // Two rows that are far apart, and next time the two after them: the processor reads ahead along both, where it
        // would lose the thread of pairs of neighbours.
        let half = width.div_ceil(2);
        let (lower, upper) = weight.split_at(half * inputs);
        for (output, first) in lower.chunks(inputs).enumerate() {
            // The first stands in for the one that is missing where the number is odd.
            let second = upper.get(output * inputs..(output + 1) * inputs).unwrap_or(first);
            for (rows, products) in x.chunks(BLOCK).zip(products.chunks_mut(BLOCK * width)) {
                let row = |i: usize| rows.get(i).or(rows.last()).copied().unwrap_or_default();
                let found = block(simd, [row(0), row(1), row(2), row(3)], [first, second]);
                for (products, found) in products.chunks_mut(width).zip(found) {
                    let to = products.iter_mut().skip(output).step_by(half);
                    to.zip(found).for_each(|(to, product)| *to = product);
                }
            }
        }
    }
}

/// The products of four rows of `x` with two of the weight.
#[inline(always)]
fn block<S: Simd>(simd: S, x: [&[f32]; BLOCK], weight: [&[f32]; 2]) -> [[f32; 2]; BLOCK] {
    let ([(x0, r0), (x1, r1), (x2, r2), (x3, r3)], [(wa, ra), (wb, rb)]) =
        (x.map(S::as_simd_f32s), weight.map(S::as_simd_f32s));
    let zero = simd.splat_f32s(0.0);
    let (mut a0, mut a1, mut a2, mut a3) = (zero, zero, zero, zero);
    let (mut b0, mut b1, mut b2, mut b3) = (zero, zero, zero, zero);
    for (((wa, wb), (x0, x1)), (x2, x3)) in wa.iter().zip(wb).zip(x0.iter().zip(x1)).zip(x2.iter().zip(x3)) {
        a0 = simd.mul_add_e_f32s(*wa, *x0, a0);
        a1 = simd.mul_add_e_f32s(*wa, *x1, a1);
        a2 = simd.mul_add_e_f32s(*wa, *x2, a2);
        a3 = simd.mul_add_e_f32s(*wa, *x3, a3);
        b0 = simd.mul_add_e_f32s(*wb, *x0, b0);
        b1 = simd.mul_add_e_f32s(*wb, *x1, b1);
        b2 = simd.mul_add_e_f32s(*wb, *x2, b2);
        b3 = simd.mul_add_e_f32s(*wb, *x3, b3);
    }
    // What is left over where the inputs are not whole vectors.
    let rest = |w: &[f32], x: &[f32]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
    let whole = |sum, w: &[f32], x: &[f32]| simd.reduce_sum_f32s(sum) + rest(w, x);
    [
        [whole(a0, ra, r0), whole(b0, rb, r0)],
        [whole(a1, ra, r1), whole(b1, rb, r1)],
        [whole(a2, ra, r2), whole(b2, rb, r2)],
        [whole(a3, ra, r3), whole(b3, rb, r3)],
    ]
}

/// `x·Φ(x)`, where Φ is the distribution function of the normal distribution.
fn gelu(values: &mut [f32]) {
    Arch::new().dispatch(|| {
        for x in values {
            *x *= 0.5 * (1.0 + erf(*x * std::f32::consts::FRAC_1_SQRT_2));
        }
    });
}

/// The error function, within 5e-7, by the rational function that Eigen and XLA use for it. It has no branch and calls
/// nothing, so that the compiler makes wide instructions of it.
#[inline(always)]
fn erf(x: f32) -> f32 {
    const ABOVE: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const BELOW: [f32; 5] = [-1.456_607_2e-5, -2.133_740_5e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    let x = x.clamp(-4.0, 4.0);
    let polynomial = |coefficients: &[f32]| coefficients.iter().fold(0.0, |sum, c| sum * (x * x) + c);
    x * polynomial(&ABOVE) / polynomial(&BELOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_sums_of_products() {
        // Whole vectors and rests, blocks of four rows and rests, even and odd numbers of outputs, fewer than parts.
        for (rows, inputs, outputs) in [(1, 384, 384), (4, 64, 1152), (5, 37, 13), (7, 8, 33), (3, 1, 1), (2, 100, 62)]
        {
            let values = |n: usize, scale: f32| -> Vec<f32> {
                (0..n as u32).map(|i| ((i * 2_654_435 % 1009) as f32 / 504.5 - 1.0) * scale).collect()
            };
            let (x, weight, bias) = (values(rows * inputs, 1.0), values(outputs * inputs, 0.3), values(outputs, 0.7));
            let linear = Linear { inputs, weight: weight.clone(), bias: bias.clone(), activation: |_| {} };
            let mapped = linear.forward(&x);
            assert_eq!(mapped.len(), rows * outputs);
            for (i, found) in mapped.into_iter().enumerate() {
                let (x, weight) = (&x[i / outputs * inputs..], &weight[i % outputs * inputs..]);
                let exact: f64 = (0..inputs).map(|k| f64::from(x[k]) * f64::from(weight[k])).sum();
                let expected = exact as f32 + bias[i % outputs];
                assert!((expected - found).abs() < 1e-4, "{rows} × {inputs} × {outputs}: {expected}, {found}");
            }
        }
    }

    #[test]
    fn erf_is_that_of_the_library() {
        for x in (-60_000..=60_000).map(|i| i as f32 / 10_000.0).chain([f32::MIN, f32::MAX]) {
            let error = erf(x) - candle_core::cpu::erf::erf_f32(x);
            assert!(error.abs() < 5e-7, "{x}: {error}");
        }
    }
}
