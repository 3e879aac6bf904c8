/// Cosine of the angle between two vectors, in [−1, 1]. Vectors of different length, of length zero or with a value
/// that is not finite have no angle: the result is 0, which is "unrelated".
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() {
        return 0.0;
    }
    let (mut ab, mut aa, mut bb) = (0f64, 0f64, 0f64);
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (f64::from(x), f64::from(y));
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    let cosine = ab / (aa.sqrt() * bb.sqrt());
    if cosine.is_finite() { cosine.clamp(-1.0, 1.0) } else { 0.0 }
}

/// Embedding distance `(1 − cosine) / 2`, in [0, 1] (paper, section 6.1.1).
pub fn embedding_distance(cosine: f64) -> f64 {
    (1.0 - cosine) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_of_simple_and_broken_vectors() {
        assert_eq!(cosine(&[1.0, 0.0], &[2.0, 0.0]), 1.0);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 3.0]), 0.0);
        assert_eq!(cosine(&[1.0], &[-1.0]), -1.0);
        for broken in [&[0.0, 0.0][..], &[f32::NAN, 1.0], &[1.0], &[]] {
            assert_eq!(cosine(broken, &[1.0, 1.0]), 0.0);
        }
        assert_eq!(embedding_distance(1.0), 0.0);
        assert_eq!(embedding_distance(-1.0), 1.0);
    }
}
