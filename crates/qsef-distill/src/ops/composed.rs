//! The same operations composed of candle's, for other devices than the processor.

use candle_core::{D, Device, Result, Tensor};

use super::Spans;

fn index(places: impl IntoIterator<Item = usize>, device: &Device) -> Result<Tensor> {
    let places: Vec<u32> = places.into_iter().map(|place| place as u32).collect();
    let count = places.len();
    Tensor::from_vec(places, count, device)
}

/// Rows of a matrix, or numbers of a list, by their places; one place more is 0.
fn taken(x: &Tensor, places: &Tensor) -> Result<Tensor> {
    let mut shape = x.dims().to_vec();
    if let Some(rows) = shape.first_mut() {
        *rows = 1;
    }
    Tensor::cat(&[x, &Tensor::zeros(shape, x.dtype(), x.device())?], 0)?.index_select(places, 0)
}

pub(super) fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.broadcast_add(bias)
}

pub(super) fn add_bias_gelu(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.broadcast_add(bias)?.gelu_erf()
}

pub(super) fn norm_of_sum(x: &Tensor, y: &Tensor, scale: &Tensor, eps: f64) -> Result<Tensor> {
    let sum = (x + y)?;
    let centred = sum.broadcast_sub(&sum.mean_keepdim(D::Minus1)?)?;
    let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?;
    centred.broadcast_div(&deviation)?.broadcast_mul(&scale.get(0)?)?.broadcast_add(&scale.get(1)?)
}

pub(super) fn rows(table: &Tensor, ids: &[u32]) -> Result<Tensor> {
    table.index_select(&Tensor::from_slice(ids, ids.len(), table.device())?, 0)
}

pub(super) fn mean_of_texts(x: &Tensor, spans: &Spans) -> Result<Tensor> {
    let tokens = spans.tokens();
    let mut shares = vec![0f32; spans.len() * tokens];
    for (row, span) in shares.chunks_exact_mut(tokens.max(1)).zip(spans.iter()) {
        let share = 1.0 / span.len() as f32;
        row.get_mut(span).unwrap_or_default().fill(share);
    }
    Tensor::from_vec(shares, (spans.len(), tokens), x.device())?.matmul(x)
}

/// Texts of a batch as if all were as long as the longest.
struct Padded<'a> {
    spans: &'a Spans,
    longest: usize,
    heads: usize,
}

impl<'a> Padded<'a> {
    fn new(spans: &'a Spans, heads: usize) -> Self {
        Self { spans, longest: spans.iter().map(|span| span.len()).max().unwrap_or(0), heads }
    }

    /// Query (0), key (1) or value (2) of `qkv`: (texts, heads, longest, width).
    fn part(&self, qkv: &Tensor, which: usize) -> Result<Tensor> {
        let (_, all) = qkv.dims2()?;
        let (hidden, none) = (all / 3, self.spans.tokens());
        let places = self.spans.iter().flat_map(|span| {
            let ended = self.longest - span.len();
            span.chain(std::iter::repeat_n(none, ended))
        });
        let rows = taken(&qkv.narrow(1, which * hidden, hidden)?.contiguous()?, &index(places, qkv.device())?)?;
        let shape = (self.spans.len(), self.longest, self.heads, hidden / self.heads);
        rows.reshape(shape)?.transpose(1, 2)?.contiguous()
    }

    /// For each number of the texts' maps, (heads, tokens, tokens) one after the other, its place among those of the padded ones.
    fn map_places(&self) -> impl Iterator<Item = usize> {
        let (longest, heads) = (self.longest, self.heads);
        self.spans.iter().enumerate().flat_map(move |(text, span)| {
            let count = span.len();
            (0..heads * count * count).map(move |i| {
                let (head, from, to) = (i / (count * count), i / count % count, i % count);
                ((text * heads + head) * longest + from) * longest + to
            })
        })
    }
}

pub(super) fn shares(qkv: &Tensor, spans: &Spans, heads: usize) -> Result<Tensor> {
    let padded = Padded::new(spans, heads);
    let (query, key) = (padded.part(qkv, 0)?, padded.part(qkv, 1)?);
    let scale = (query.dim(D::Minus1)? as f64).powf(-0.5);
    let scores = (query.matmul(&key.transpose(2, 3)?.contiguous()?)? * scale)?;
    let ended =
        spans.iter().flat_map(|span| (0..padded.longest).map(move |at| if at < span.len() { 0f32 } else { -1e9 }));
    let mask = Tensor::from_iter(ended, qkv.device())?.reshape((spans.len(), 1, 1, padded.longest))?;
    let scores = scores.broadcast_add(&mask)?;
    let powers = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
    let shares = powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)?;
    shares.flatten_all()?.index_select(&index(padded.map_places(), qkv.device())?, 0)
}

pub(super) fn mix(shares: &Tensor, qkv: &Tensor, spans: &Spans, heads: usize) -> Result<Tensor> {
    let padded = Padded::new(spans, heads);
    let (texts, longest) = (spans.len(), padded.longest);
    let mut places = vec![shares.elem_count(); texts * heads * longest * longest];
    for (from, to) in padded.map_places().enumerate() {
        if let Some(place) = places.get_mut(to) {
            *place = from;
        }
    }
    let maps = taken(shares, &index(places, qkv.device())?)?.reshape((texts, heads, longest, longest))?;
    let mixed = maps.matmul(&padded.part(qkv, 2)?)?.transpose(1, 2)?.contiguous()?;
    let tokens = spans.iter().enumerate().flat_map(|(text, span)| (0..span.len()).map(move |at| text * longest + at));
    mixed.reshape((texts * longest, ()))?.index_select(&index(tokens, qkv.device())?, 0)
}

pub(super) fn mean_of_heads(shares: &Tensor, spans: &Spans, heads: usize) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for head in 0..heads {
        let mut before = 0;
        let places = spans.iter().flat_map(|span| {
            let (start, square) = (before, span.len() * span.len());
            before += heads * square;
            (0..square).map(move |i| start + head * square + i)
        });
        let one = shares.index_select(&index(places, shares.device())?, 0)?;
        sum = Some(match sum {
            Some(sum) => (sum + one)?,
            None => one,
        });
    }
    match sum {
        Some(sum) => sum / heads as f64,
        None => candle_core::bail!("attention needs a head"),
    }
}
