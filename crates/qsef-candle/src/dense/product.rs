use pulp::{Arch, Simd, WithSimd};

/// Rows of `x` that share one reading of two rows of the weight: eight sums, all of which find a register.
const BLOCK: usize = 4;

/// `x·Wᵀ`, (rows, outputs), on this thread. `x` has rows of `inputs` values, `weight` is (outputs, inputs).
pub fn product(x: &[&[f32]], weight: &[f32], inputs: usize) -> Vec<f32> {
    let mut products = vec![0.0; x.len() * weight.len() / inputs];
    Arch::new().dispatch(Product { x, weight, inputs, products: &mut products });
    products
}

/// `x·Wᵀ`, (rows, outputs), on this thread, for many rows: packing both for the product pays then. `x` is (rows, inputs), `weight`
/// (outputs, inputs).
pub fn product_of_many(x: &[f32], weight: &[f32], inputs: usize) -> Vec<f32> {
    let (rows, outputs) = (x.len() / inputs.max(1), weight.len() / inputs.max(1));
    let mut products = vec![0.0; rows * outputs];
    let (across, down) = (outputs as isize, inputs as isize);
    // SAFETY: the three matrices lie within their slices: rows of `inputs` and of `outputs` numbers, one after the other.
    #[allow(unsafe_code)]
    unsafe {
        gemm::gemm(
            rows,
            outputs,
            inputs,
            products.as_mut_ptr(),
            1,
            across,
            false,
            x.as_ptr(),
            1,
            down,
            weight.as_ptr(),
            down,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
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

/// The sums of rows of `values` (terms, width) by `weights` (rows, terms): (rows, width), on this thread. A row's result does
/// not depend on the others.
pub fn mix(weights: &[f32], values: &[f32], width: usize) -> Vec<f32> {
    let terms = values.len() / width.max(1);
    let mut mixed = vec![0.0; weights.len() / terms.max(1) * width];
    if terms > 0 {
        Arch::new().dispatch(Mix { weights, values, width, mixed: &mut mixed });
    }
    mixed
}

struct Mix<'a> {
    weights: &'a [f32],
    values: &'a [f32],
    width: usize,
    mixed: &'a mut [f32],
}

impl WithSimd for Mix<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Mix { weights, values, width, mixed } = self;
        let terms = values.len() / width;
        for (weights, mixed) in weights.chunks(BLOCK * terms).zip(mixed.chunks_mut(BLOCK * width)) {
            let row = |i: usize| weights.get(i * terms..(i + 1) * terms).unwrap_or_default();
            match weights.len() / terms {
                BLOCK => mix_rows(simd, [row(0), row(1), row(2), row(3)], values, width, mixed),
                3 => mix_rows(simd, [row(0), row(1), row(2)], values, width, mixed),
                2 => mix_rows(simd, [row(0), row(1)], values, width, mixed),
                _ => mix_rows(simd, [row(0)], values, width, mixed),
            }
        }
    }
}

/// Vectors of the width that are summed at a time: with four rows, eight sums.
const STRIP: usize = 2;

/// `R` rows of weights at once, which share one reading of the values.
#[inline(always)]
fn mix_rows<S: Simd, const R: usize>(simd: S, weights: [&[f32]; R], values: &[f32], width: usize, mixed: &mut [f32]) {
    let strip = STRIP * S::F32_LANES;
    let mut from = 0;
    while from + strip <= width {
        let mut sums = [[simd.splat_f32s(0.0); STRIP]; R];
        for (term, value) in values.chunks_exact(width).enumerate() {
            let (vectors, _) = S::as_simd_f32s(value.get(from..from + strip).unwrap_or_default());
            for (sums, weights) in sums.iter_mut().zip(weights) {
                let weight = simd.splat_f32s(weights.get(term).copied().unwrap_or_default());
                for (sum, vector) in sums.iter_mut().zip(vectors) {
                    *sum = simd.mul_add_e_f32s(weight, *vector, *sum);
                }
            }
        }
        for (row, sums) in mixed.chunks_mut(width).zip(sums) {
            let (to, _) = S::as_mut_simd_f32s(row.get_mut(from..from + strip).unwrap_or_default());
            to.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum);
        }
        from += strip;
    }
    // What is left over where the width is not whole strips.
    for (row, weights) in mixed.chunks_mut(width).zip(weights) {
        for (value, weight) in values.chunks_exact(width).zip(weights) {
            let rest = row.iter_mut().zip(value).skip(from);
            rest.for_each(|(to, x)| *to += weight * x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixtures_are_weighted_sums_whatever_else_is_mixed() {
        for (rows, terms, width) in [(1, 3, 128), (6, 17, 64), (4, 1, 8), (3, 5, 37), (2, 4, 16)] {
            let numbers = |n: usize| -> Vec<f32> { (0..n).map(|i| ((i * 7919) % 101) as f32 / 50.0 - 1.0).collect() };
            let (weights, values) = (numbers(rows * terms), numbers(terms * width));
            let mixed = mix(&weights, &values, width);
            for (i, found) in mixed.iter().enumerate() {
                let weights = &weights[i / width * terms..][..terms];
                let expected: f32 =
                    weights.iter().zip(values[i % width..].iter().step_by(width)).map(|(w, x)| w * x).sum();
                assert!((expected - found).abs() < 1e-4, "{rows} × {terms} × {width}: {expected}, {found}");
            }
            for (row, whole) in weights.chunks(terms).zip(mixed.chunks(width)) {
                assert_eq!(mix(row, &values, width), whole, "a row alone");
            }
        }
    }
}
