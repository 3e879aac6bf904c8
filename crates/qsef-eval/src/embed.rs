use qsef_core::{AnyEmbedder, Result};
use qsef_score::Task;

/// Texts that are embedded at a time, between two reports of progress.
const BATCH: usize = 64;

/// A request as the scorer needs it.
pub(crate) struct Read {
    pub task: Task,
    pub vectors: Vec<Vec<f32>>,
}

/// Reads and embeds requests. `progress` hears `what` is being done, how much of it is done, and of how much.
pub(crate) async fn embed(
    embedder: &AnyEmbedder,
    texts: impl ExactSizeIterator<Item = &str>,
    what: &str,
    progress: &mut impl FnMut(&str, usize, usize),
) -> Result<Vec<Read>> {
    let total = texts.len();
    let mut tasks: Vec<Task> = texts.map(Task::new).collect();
    let mut read = Vec::with_capacity(total);
    while !tasks.is_empty() {
        progress(what, read.len(), total);
        let batch: Vec<Task> = tasks.drain(..BATCH.min(tasks.len())).collect();
        let vectors = embedder.embed(batch.iter().flat_map(Task::texts).collect()).await?;
        let rows = batch.into_iter().zip(vectors.chunks(Task::TEXTS));
        read.extend(rows.map(|(task, vectors)| Read { task, vectors: vectors.to_vec() }));
    }
    progress(what, total, total);
    Ok(read)
}

/// The middle one of some measurements; 0 of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The least of some measurements that this share of them does not exceed; 0 of none.
pub(crate) fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = ((values.len() as f64 * share).ceil() as usize).saturating_sub(1);
    values.get(index).copied().unwrap_or_default()
}
