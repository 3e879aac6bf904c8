use pulp::Arch;

use super::kv::LayerCache;
use crate::dense::{exp, in_parallel, mix, product};

/// Queries that one thread takes at a time: enough that they share the reading of keys and values, few enough that there is
/// work for all.
const TOGETHER: usize = 6;

/// How heads share keys and values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    /// Heads of queries.
    pub queries: usize,
    /// Heads of keys and values, each for as many heads of queries, one after the other.
    pub keys: usize,
    /// Values per head.
    pub dim: usize,
}

/// Grouped-query attention without copies of keys and values: `queries [rows, heads · dim]`, already scaled, to as many mixed
/// values. The first row is at position `start`; each sees what is in the cache up to its own position.
///
/// A row's result does not depend on the rows beside it.
pub(super) fn attention(queries: &[f32], heads: Heads, start: usize, cache: &LayerCache) -> Vec<f32> {
    let Heads { queries: count, keys, dim } = heads;
    let group = count / keys;
    let rows: Vec<&[f32]> = queries.chunks_exact(count * dim).collect();
    let work: Vec<(usize, Vec<(usize, usize)>)> = (0..keys)
        .flat_map(|key| {
            let all: Vec<(usize, usize)> =
                (0..rows.len()).flat_map(|row| (0..group).map(move |head| (row, key * group + head))).collect();
            all.chunks(TOGETHER).map(|some| (key, some.to_vec())).collect::<Vec<_>>()
        })
        .collect();
    let mixed = in_parallel(&work, |(key, some)| {
        let last = some.last().map_or(0, |(row, _)| *row);
        let seen = start + last + 1;
        let (keys, values) = cache.head(*key, seen);
        let part = |(row, head): &(usize, usize)| {
            rows.get(*row).and_then(|row| row.get(head * dim..(head + 1) * dim)).unwrap_or_default()
        };
        let mut weights = product(&some.iter().map(part).collect::<Vec<_>>(), keys, dim);
        for ((row, _), weights) in some.iter().zip(weights.chunks_exact_mut(seen)) {
            let (visible, hidden) = weights.split_at_mut((start + row + 1).min(seen));
            softmax(visible);
            hidden.fill(0.0);
        }
        mix(&weights, values, dim)
    });
    let mut out = vec![0.0; queries.len()];
    for ((_, some), mixed) in work.iter().zip(&mixed) {
        for ((row, head), mixed) in some.iter().zip(mixed.chunks_exact(dim)) {
            let at = (row * count + head) * dim;
            out.get_mut(at..at + dim).unwrap_or_default().copy_from_slice(mixed);
        }
    }
    out
}

/// Makes shares of scores.
fn softmax(scores: &mut [f32]) {
    Arch::new().dispatch(|| {
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        scores.iter_mut().for_each(|x| *x = exp(*x - largest));
        let share = 1.0 / crate::dense::sum(scores, |x| x);
        scores.iter_mut().for_each(|x| *x *= share);
    });
}
