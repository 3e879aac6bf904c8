use half::{f16, slice::HalfFloatSliceExt};

use super::kv::LayerCache;
use crate::dense::{in_parallel, mix, product, softmax};

/// Queries that one thread takes at a time: enough that they share the reading and widening of keys and values, few enough
/// that there is work for all.
const TOGETHER: usize = 24;

/// Positions whose keys or values are widened at a time: what the processor's nearer caches hold.
const BLOCK: usize = 128;

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

/// What the rows of one sequence see: the state of its positions, of which the first row is at `start`.
pub(super) struct Seen<'a> {
    pub rows: usize,
    pub start: usize,
    pub cache: &'a LayerCache,
}

/// Queries of one sequence that share a key head: of each its row among all rows, its head, and how many positions it sees.
struct Work<'a> {
    cache: &'a LayerCache,
    key: usize,
    queries: Vec<(usize, usize, usize)>,
}

/// Grouped-query attention without copies of keys and values: `queries [rows, heads · dim]`, already scaled, to as many mixed
/// values. The rows are those of several sequences, one after the other; each sees what is in its own cache up to its position.
///
/// A row's result does not depend on the rows beside it.
pub(super) fn attention(queries: &[f32], heads: Heads, sequences: &[Seen<'_>]) -> Vec<f32> {
    let Heads { queries: count, keys, dim } = heads;
    let group = count / keys;
    let rows: Vec<&[f32]> = queries.chunks_exact(count * dim).collect();
    let mut work = Vec::new();
    let mut first = 0;
    for &Seen { rows, start, cache } in sequences {
        for key in 0..keys {
            let head = |row| (0..group).map(move |head| (first + row, key * group + head, start + row + 1));
            let all: Vec<(usize, usize, usize)> = (0..rows).flat_map(head).collect();
            work.extend(all.chunks(TOGETHER).map(|some| Work { cache, key, queries: some.to_vec() }));
        }
        first += rows;
    }
    let mixed = in_parallel(&work, |Work { cache, key, queries }| {
        let most = queries.last().map_or(0, |(_, _, seen)| *seen);
        let (keys, values) = cache.head(*key, most);
        let part = |(row, head, _): &(usize, usize, usize)| {
            rows.get(*row).and_then(|row| row.get(head * dim..(head + 1) * dim)).unwrap_or_default()
        };
        let mut weights = scores(&queries.iter().map(part).collect::<Vec<_>>(), keys, dim);
        for ((_, _, seen), weights) in queries.iter().zip(weights.chunks_exact_mut(most.max(1))) {
            let (visible, hidden) = weights.split_at_mut((*seen).min(most));
            softmax(visible, 1.0);
            hidden.fill(0.0);
        }
        mixed(&weights, values, dim)
    });
    let mut out = vec![0.0; queries.len()];
    for (Work { queries, .. }, mixed) in work.iter().zip(&mixed) {
        for ((row, head, _), mixed) in queries.iter().zip(mixed.chunks_exact(dim)) {
            let at = (row * count + head) * dim;
            out.get_mut(at..at + dim).unwrap_or_default().copy_from_slice(mixed);
        }
    }
    out
}

/// `queries · keysᵀ`, `[queries, positions]`.
fn scores(queries: &[&[f32]], keys: &[f16], dim: usize) -> Vec<f32> {
    let positions = keys.len() / dim;
    let mut scores = vec![0.0; queries.len() * positions];
    let mut wide = Vec::new();
    for (block, keys) in keys.chunks(BLOCK * dim).enumerate() {
        let products = product(queries, widened(keys, &mut wide), dim);
        for (to, from) in scores.chunks_exact_mut(positions).zip(products.chunks_exact(keys.len() / dim)) {
            to.iter_mut().skip(block * BLOCK).zip(from).for_each(|(to, from)| *to = *from);
        }
    }
    scores
}

/// `weights · values`, `[queries, dim]`, of weights `[queries, positions]`.
fn mixed(weights: &[f32], values: &[f16], dim: usize) -> Vec<f32> {
    let positions = values.len() / dim;
    let mut mixed = vec![0.0; weights.len() / positions.max(1) * dim];
    let mut wide = Vec::new();
    for (block, values) in values.chunks(BLOCK * dim).enumerate() {
        let here = block * BLOCK..block * BLOCK + values.len() / dim;
        let rows = weights.chunks_exact(positions).map(|row| row.get(here.clone()).unwrap_or_default());
        let more = mix(&rows.collect::<Vec<_>>().concat(), widened(values, &mut wide), dim);
        mixed.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
    mixed
}

/// The same numbers in 32 bits, in `wide`.
fn widened<'a>(numbers: &[f16], wide: &'a mut Vec<f32>) -> &'a [f32] {
    wide.resize(numbers.len(), 0.0);
    numbers.convert_to_f32_slice(wide);
    wide
}
