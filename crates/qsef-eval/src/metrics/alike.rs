/// Linear centred kernel alignment of two sets of vectors of the same things (Kornblith et al., 2019), in [0, 1]: 1 where one is a
/// rotated and scaled copy of the other. None for unequal numbers, fewer than two, or vectors that do not differ.
pub fn linear_cka(a: &[Vec<f32>], b: &[Vec<f32>]) -> Option<f64> {
    if a.len() != b.len() || a.len() < 2 {
        return None;
    }
    let (a, b) = (centred(a), centred(b));
    let alike = cross(&a, &b);
    let scale = (cross(&a, &a) * cross(&b, &b)).sqrt();
    (scale > 0.0).then(|| alike / scale)
}

/// By dimension: each thing's number, less the mean.
fn centred(vectors: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let width = vectors.first().map_or(0, Vec::len);
    (0..width)
        .map(|i| {
            let column: Vec<f32> = vectors.iter().map(|v| v.get(i).copied().unwrap_or_default()).collect();
            let mean = (column.iter().map(|x| f64::from(*x)).sum::<f64>() / column.len() as f64) as f32;
            column.into_iter().map(|x| x - mean).collect()
        })
        .collect()
}

/// The sum of squares of all products of dimensions.
fn cross(a: &[Vec<f32>], b: &[Vec<f32>]) -> f64 {
    let product = |a: &[f32], b: &[f32]| {
        let (eights, rest) = a.as_chunks::<8>();
        let (others, rest_of_others) = b.as_chunks::<8>();
        let mut sums = [0f32; 8];
        for (a, b) in eights.iter().zip(others) {
            sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
        }
        let rest: f32 = rest.iter().zip(rest_of_others).map(|(a, b)| a * b).sum();
        f64::from(sums.iter().sum::<f32>() + rest)
    };
    a.iter().flat_map(|a| b.iter().map(move |b| product(a, b).powi(2))).sum()
}
