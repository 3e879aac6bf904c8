use std::sync::{Mutex, OnceLock, PoisonError};

use candle_core::utils::barrier_pool;

/// What `compute` makes of each item, on candle's own threads, which wait for more work for a while: others would have to
/// take turns with them.
pub fn in_parallel<T: Sync>(items: &[T], compute: impl Fn(&T) -> Vec<f32> + Sync) -> Vec<Vec<f32>> {
    let computed: Vec<(&T, OnceLock<Vec<f32>>)> = items.iter().map(|item| (item, OnceLock::new())).collect();
    barrier_pool().execute_chunked(items.len(), |range| {
        for (item, slot) in computed.get(range).unwrap_or_default() {
            slot.get_or_init(|| compute(item));
        }
    });
    computed.into_iter().map(|(_, slot)| slot.into_inner().unwrap_or_default()).collect()
}

/// Multiplications below which waking other threads takes longer than the work.
const LITTLE: usize = 1 << 20;

/// As [`in_parallel`], but on this thread alone where all items together take few multiplications.
pub fn in_parallel_if_much<T: Sync>(
    multiplications: usize,
    items: &[T],
    compute: impl Fn(&T) -> Vec<f32> + Sync,
) -> Vec<Vec<f32>> {
    if multiplications < LITTLE { items.iter().map(compute).collect() } else { in_parallel(items, compute) }
}

/// One matrix of some that have equally many rows.
pub fn side_by_side(parts: &[Vec<f32>], rows: usize) -> Vec<f32> {
    let mut all = Vec::with_capacity(parts.iter().map(Vec::len).sum());
    for row in 0..rows {
        for part in parts {
            let width = part.len() / rows;
            all.extend_from_slice(part.get(row * width..(row + 1) * width).unwrap_or_default());
        }
    }
    all
}

/// Changes `out` in place, in parts of `size` values, on the threads of [`in_parallel`]. `change` is told where its part begins.
pub fn in_parts(out: &mut [f32], size: usize, change: impl Fn(usize, &mut [f32]) + Sync) {
    let parts: Vec<Mutex<&mut [f32]>> = out.chunks_mut(size.max(1)).map(Mutex::new).collect();
    barrier_pool().execute_chunked(parts.len(), |range| {
        for index in range {
            if let Some(part) = parts.get(index) {
                change(index * size.max(1), &mut part.lock().unwrap_or_else(PoisonError::into_inner));
            }
        }
    });
}
