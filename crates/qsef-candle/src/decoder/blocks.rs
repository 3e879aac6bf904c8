//! The blocks of a quantised weight, where they lie: in the mapped file, or in memory of their own.
//!
//! Candle multiplies most types by tiles, a copy of the weight that it makes at first use and keeps beside the blocks it
//! was made from. With both, a model needs twice its size. Blocks of these types say whether candle still reads them, so
//! that those it does not can go.

use std::{
    marker::PhantomData,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use candle_core::{
    CpuStorage, Result, bail,
    quantized::{GgmlDType, GgmlType, QStorage, QuantizedType, k_quants},
};
use memmap2::Mmap;

/// The blocks of one weight, held by the weight itself, and what is needed to let go of them.
pub(super) struct Blocks {
    read: Arc<AtomicBool>,
    place: Place,
}

enum Place {
    Mapped(Arc<Mmap>, Range<usize>),
    Owned(Arc<Slot>),
}

type Slot = Mutex<Option<Arc<dyn QuantizedType>>>;

impl Blocks {
    /// Blocks in a mapped file. None for a type that candle does not multiply by blocks (f32, f16 and the like) and for
    /// a place that is not aligned for it: such a weight has to be copied.
    pub fn mapped(map: &Arc<Mmap>, range: Range<usize>, dtype: GgmlDType) -> Option<(QStorage, Self)> {
        let read = Arc::<AtomicBool>::default();
        let place = (map, &range, &read);
        let storage = match dtype {
            GgmlDType::Q4_0 => Mapped::<k_quants::BlockQ4_0>::boxed(place),
            GgmlDType::Q5_0 => Mapped::<k_quants::BlockQ5_0>::boxed(place),
            GgmlDType::Q8_0 => Mapped::<k_quants::BlockQ8_0>::boxed(place),
            GgmlDType::Q2K => Mapped::<k_quants::BlockQ2K>::boxed(place),
            GgmlDType::Q3K => Mapped::<k_quants::BlockQ3K>::boxed(place),
            GgmlDType::Q4K => Mapped::<k_quants::BlockQ4K>::boxed(place),
            GgmlDType::Q5K => Mapped::<k_quants::BlockQ5K>::boxed(place),
            GgmlDType::Q6K => Mapped::<k_quants::BlockQ6K>::boxed(place),
            _ => None,
        }?;
        Some((QStorage::Cpu(storage), Self { read, place: Place::Mapped(map.clone(), range) }))
    }

    /// Blocks of type `dtype` that were computed.
    pub fn owned(data: &[u8], dtype: GgmlDType) -> (QStorage, Self) {
        let read = Arc::<AtomicBool>::default();
        let blocks = Arc::<dyn QuantizedType>::from(dtype.from_data(data.into()));
        let slot = Arc::new(Mutex::new(Some(blocks)));
        let storage = Owned { slot: slot.clone(), read: read.clone(), dtype, size: data.len() };
        (QStorage::Cpu(Box::new(storage)), Self { read, place: Place::Owned(slot) })
    }

    /// Whether candle has read the blocks themselves, other than to make tiles of them, since they are here.
    pub fn are_read(&self) -> bool {
        self.read.load(Ordering::Relaxed)
    }

    /// Lets go of blocks that candle does not read any more. Those in a file come back if they are read after all; those
    /// in memory do not, and multiplying by them is an error then.
    pub fn release(self) {
        match self.place {
            Place::Mapped(map, range) => {
                // SAFETY: the pages are clean and come from a file that is only read, so they are read again where they
                // are touched again, with the same content.
                #[cfg(unix)]
                #[allow(unsafe_code)]
                let released =
                    unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len()) };
                #[cfg(not(unix))]
                let released = std::io::Result::Ok(drop((map, range)));
                if let Err(e) = released {
                    tracing::debug!("the pages of a weight stay: {e}");
                }
            }
            Place::Owned(slot) => *slot.lock().unwrap_or_else(PoisonError::into_inner) = None,
        }
    }
}

/// Blocks in a mapped file.
struct Mapped<T> {
    map: Arc<Mmap>,
    range: Range<usize>,
    read: Arc<AtomicBool>,
    of: PhantomData<T>,
}

impl<T: GgmlType + 'static> Mapped<T> {
    fn boxed((map, range, read): (&Arc<Mmap>, &Range<usize>, &Arc<AtomicBool>)) -> Option<Box<dyn QuantizedType>> {
        let bytes = map.get(range.clone())?;
        let fits = bytes.as_ptr().cast::<T>().is_aligned() && bytes.len().is_multiple_of(size_of::<T>());
        fits.then(|| {
            Box::new(Self { map: map.clone(), range: range.clone(), read: read.clone(), of: PhantomData })
                as Box<dyn QuantizedType>
        })
    }

    fn blocks(&self) -> &[T] {
        let bytes = self.map.get(self.range.clone()).unwrap_or_default();
        // SAFETY: `boxed` saw that the place is aligned for `T` and holds whole blocks; blocks are plain numbers
        // (`repr(C)`), for which every pattern of bits is a value.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<T>())
        }
    }
}

impl<T: GgmlType + 'static> QuantizedType for Mapped<T> {
    fn dtype(&self) -> GgmlDType {
        T::DTYPE
    }

    fn matmul_t(&self, mkn: (usize, usize, usize), lhs: &[f32], dst: &mut [f32]) -> Result<()> {
        self.read.store(true, Ordering::Relaxed);
        k_quants::matmul(mkn, lhs, self.blocks(), dst)
    }

    fn matmul_t_f16(&self, mkn: (usize, usize, usize), lhs: &[half::f16], dst: &mut [half::f16]) -> Result<()> {
        self.read.store(true, Ordering::Relaxed);
        k_quants::matmul_f16(mkn, lhs, self.blocks(), dst)
    }

    fn embedding(&self, ids: &[u32], rows: usize, hidden: usize) -> Result<CpuStorage> {
        let blocks = self.blocks();
        let row = hidden / T::BLCK_SIZE;
        if !hidden.is_multiple_of(T::BLCK_SIZE) || hidden == 0 || blocks.len() != rows * row {
            bail!("{} blocks are not {rows} rows of {hidden} numbers", blocks.len())
        }
        let mut out = vec![0f32; ids.len() * hidden];
        for (to, &id) in out.chunks_exact_mut(hidden).zip(ids) {
            let start = id as usize * row;
            let Some(from) = blocks.get(start..start + row) else { bail!("token {id} is not one of {rows}") };
            T::to_float(from, to);
        }
        Ok(CpuStorage::F32(out))
    }

    fn dequantize(&self, elem_count: usize) -> Result<CpuStorage> {
        let mut out = vec![0f32; elem_count];
        T::to_float(self.blocks(), &mut out);
        Ok(CpuStorage::F32(out))
    }

    fn storage_size_in_bytes(&self) -> usize {
        self.range.len()
    }

    fn as_ptr(&self) -> *const u8 {
        self.blocks().as_ptr().cast()
    }

    fn block_size(&self) -> usize {
        T::BLCK_SIZE
    }

    fn from_float(&mut self, _: &[f32]) {
        tracing::error!("weights in a file cannot be overwritten");
    }

    fn from_float_imatrix(&mut self, xs: &[f32], _: &[f32], _: usize) {
        self.from_float(xs);
    }

    fn size(&self) -> usize {
        self.range.len()
    }
}

/// Blocks in memory, until they are let go of.
struct Owned {
    slot: Arc<Slot>,
    read: Arc<AtomicBool>,
    dtype: GgmlDType,
    size: usize,
}

impl Owned {
    fn blocks(&self) -> Result<Arc<dyn QuantizedType>> {
        let slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.clone().ok_or_else(|| candle_core::Error::Msg("the blocks of this weight are gone".into()))
    }
}

impl QuantizedType for Owned {
    fn dtype(&self) -> GgmlDType {
        self.dtype
    }

    fn matmul_t(&self, mkn: (usize, usize, usize), lhs: &[f32], dst: &mut [f32]) -> Result<()> {
        self.read.store(true, Ordering::Relaxed);
        self.blocks()?.matmul_t(mkn, lhs, dst)
    }

    fn matmul_t_f16(&self, mkn: (usize, usize, usize), lhs: &[half::f16], dst: &mut [half::f16]) -> Result<()> {
        self.read.store(true, Ordering::Relaxed);
        self.blocks()?.matmul_t_f16(mkn, lhs, dst)
    }

    fn embedding(&self, ids: &[u32], rows: usize, hidden: usize) -> Result<CpuStorage> {
        self.blocks()?.embedding(ids, rows, hidden)
    }

    fn dequantize(&self, elem_count: usize) -> Result<CpuStorage> {
        self.blocks()?.dequantize(elem_count)
    }

    /// 0 when the blocks are gone, so that nobody reads where [`Owned::as_ptr`] points then.
    fn storage_size_in_bytes(&self) -> usize {
        self.blocks().map_or(0, |_| self.size)
    }

    fn as_ptr(&self) -> *const u8 {
        self.blocks().map_or(std::ptr::NonNull::<k_quants::BlockQ8K>::dangling().as_ptr().cast(), |b| b.as_ptr())
    }

    fn block_size(&self) -> usize {
        self.dtype.block_size()
    }

    fn from_float(&mut self, _: &[f32]) {
        tracing::error!("weights that were read cannot be overwritten");
    }

    fn from_float_imatrix(&mut self, xs: &[f32], _: &[f32], _: usize) {
        self.from_float(xs);
    }

    fn size(&self) -> usize {
        self.size
    }
}
