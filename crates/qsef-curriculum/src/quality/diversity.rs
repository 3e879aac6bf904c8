//! The most different of many, by their embeddings.

use std::cmp::Ordering;

/// The indices of `count` vectors that lie far apart, ascending: k-centre greedy (Gonzalez 1985), which begins with the vector
/// nearest to the mean and takes the one farthest from all that were taken. All, where there are no more than `count`.
/// Vectors have the same length; where one is shorter, its missing values are 0. Takes O(n·count·length).
pub fn most_diverse(vectors: &[Vec<f32>], count: usize) -> Vec<usize> {
    if count >= vectors.len() {
        return (0..vectors.len()).collect();
    }
    if count == 0 {
        return Vec::new();
    }
    let length = vectors.iter().map(Vec::len).max().unwrap_or(0);
    let mut mean = vec![0f32; length];
    for vector in vectors {
        mean.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value / vectors.len() as f32);
    }
    // The first one wins where two are as far.
    let from_mean = vectors.iter().map(|vector| distance(vector, &mean)).enumerate();
    let first = from_mean.min_by(|a, b| order(a.1, b.1)).map_or(0, |(at, _)| at);
    let mut taken = vec![false; vectors.len()];
    let mut nearest = vec![f32::INFINITY; vectors.len()];
    let mut next = first;
    for _ in 0..count {
        if let Some(mark) = taken.get_mut(next) {
            *mark = true;
        }
        let Some(centre) = vectors.get(next) else { break };
        for (vector, nearest) in vectors.iter().zip(&mut nearest) {
            *nearest = nearest.min(distance(vector, centre));
        }
        let free = nearest.iter().enumerate().filter(|(at, _)| taken.get(*at) == Some(&false));
        next = free.max_by(|a, b| order(*a.1, *b.1).then(b.0.cmp(&a.0))).map_or(next, |(at, _)| at);
    }
    taken.iter().enumerate().filter(|(_, taken)| **taken).map(|(at, _)| at).collect()
}

/// The squared Euclidean distance: for unit vectors it orders as the cosine does.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let rest: f32 = long.iter().skip(short.len()).map(|value| value * value).sum();
    short.iter().zip(long).map(|(a, b)| (a - b) * (a - b)).sum::<f32>() + rest
}

/// NaN counts as no distance at all, so that such a vector is not taken first.
fn order(a: f32, b: f32) -> Ordering {
    let known = |value: f32| if value.is_nan() { 0.0 } else { value };
    known(a).total_cmp(&known(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corners_are_taken_after_the_middle() {
        let points = [[0.0, 0.1], [10.0, 0.0], [0.0, 10.0], [-10.0, 0.0], [0.0, -10.0], [0.1, 0.0], [9.0, 0.0]];
        let vectors: Vec<Vec<f32>> = points.iter().map(|p| p.to_vec()).collect();
        assert_eq!(most_diverse(&vectors, 1), [5]);
        assert_eq!(most_diverse(&vectors, 5), [1, 2, 3, 4, 5]);
        assert_eq!(most_diverse(&vectors, 2).len(), 2);
    }

    #[test]
    fn corners_of_the_question_are_answered() {
        let same = vec![vec![1.0, 2.0]; 4];
        assert_eq!(most_diverse(&same, 2), [0, 1]);
        assert_eq!(most_diverse(&same, 9), [0, 1, 2, 3]);
        assert_eq!(most_diverse(&same, 0), Vec::<usize>::new());
        assert_eq!(most_diverse(&[], 3), Vec::<usize>::new());
        assert_eq!(most_diverse(&[vec![f32::NAN], vec![0.0], vec![5.0]], 2).len(), 2);
        assert_eq!(most_diverse(&[vec![], vec![3.0], vec![0.0]], 2).len(), 2);
    }
}
