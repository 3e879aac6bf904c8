use std::{fs::File, io::Cursor, ops::Range, path::Path, sync::Arc};

use candle_core::{
    Device, Shape,
    quantized::{
        GgmlDType, QStorage, QTensor,
        gguf_file::{Content, Value},
    },
};
use memmap2::Mmap;
use qsef_core::{Error, Result};
use sha2::{Digest, Sha256};

use super::{blocks::Blocks, requantised::Requantised};

/// A GGUF file, mapped and checked: every tensor that it announces lies inside it.
pub(super) struct Gguf {
    name: String,
    map: Arc<Mmap>,
    content: Content,
}

impl Gguf {
    /// Maps the file and reads its header.
    ///
    /// # Errors
    /// [`Error::ModelFile`] naming the file where it is missing, truncated or not GGUF.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| Error::ModelFile(format!("cannot open the model file {name}: {e}")))?;
        // SAFETY: the map is private to this process and only read. A file that another process truncates while it is
        // mapped would end this one with SIGBUS; models are written once, under another name, and renamed when whole.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }
            .map_err(|e| Error::ModelFile(format!("cannot map the model file {name}: {e}")))?;
        let content = Content::read(&mut Cursor::new(&map[..])).map_err(|e| {
            Error::ModelFile(format!("{name} is not a whole GGUF file ({}): fetch it again", first_line(&e)))
        })?;
        let gguf = Self { name, map: Arc::new(map), content };
        for tensor in gguf.content.tensor_infos.keys() {
            gguf.place(tensor)?;
        }
        Ok(gguf)
    }

    /// An error about this file.
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::ModelFile(format!("{}: {message}", self.name))
    }

    /// Tells this file from others: a hash of its length, its first and its last MiB (metadata and some weights). Hashing
    /// all of it would cost a second at each start.
    pub fn fingerprint(&self) -> Vec<u8> {
        const EDGE: usize = 1 << 20;
        let mut hash = Sha256::new_with_prefix((self.map.len() as u64).to_le_bytes());
        hash.update(self.map.get(..EDGE).unwrap_or(&self.map));
        hash.update(self.map.get(self.map.len().saturating_sub(EDGE)..).unwrap_or_default());
        hash.finalize().to_vec()
    }

    /// A metadata value, where the file has it.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.content.metadata.get(key)
    }

    /// A text from the metadata.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.value(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    pub fn number(&self, key: &str) -> Option<usize> {
        match self.value(key)? {
            Value::I8(v) => (*v).try_into().ok(),
            Value::I16(v) => (*v).try_into().ok(),
            Value::I32(v) => (*v).try_into().ok(),
            Value::I64(v) => (*v).try_into().ok(),
            other => other.to_u64().ok()?.try_into().ok(),
        }
    }

    /// A number of 32 or 64 bits as f64.
    pub fn float(&self, key: &str) -> Option<f64> {
        match self.value(key)? {
            Value::F32(v) => Some(f64::from(*v)),
            Value::F64(v) => Some(*v),
            _ => None,
        }
    }

    /// A list from the metadata.
    pub fn list(&self, key: &str) -> Option<&[Value]> {
        match self.value(key) {
            Some(Value::Array(values)) => Some(values),
            _ => None,
        }
    }

    /// Whether the file has this tensor.
    pub fn has(&self, tensor: &str) -> bool {
        self.content.tensor_infos.contains_key(tensor)
    }

    /// The tensors' names, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.content.tensor_infos.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The metadata, in the order of its keys.
    pub fn metadata(&self) -> Vec<(&str, &Value)> {
        let mut entries: Vec<(&str, &Value)> = self.content.metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries
    }

    /// Elements of all tensors together.
    pub fn parameters(&self) -> u64 {
        self.content.tensor_infos.values().map(|t| t.shape.elem_count() as u64).sum()
    }

    /// How many numbers a tensor has.
    pub fn elements(&self, tensor: &str) -> Result<usize> {
        Ok(self.place(tensor)?.2.elem_count())
    }

    /// Where a tensor lies in the file, its type and its shape.
    fn place(&self, tensor: &str) -> Result<(Range<usize>, GgmlDType, &Shape)> {
        let info = self.content.tensor_infos.get(tensor).ok_or_else(|| self.error(format!("no tensor `{tensor}`")))?;
        let dtype = info.ggml_dtype;
        let elements = info.shape.dims().iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        let range = elements
            .filter(|n| n.is_multiple_of(dtype.block_size()))
            .and_then(|n| (n / dtype.block_size()).checked_mul(dtype.type_size()))
            .and_then(|size| {
                let start = usize::try_from(self.content.tensor_data_offset.checked_add(info.offset)?).ok()?;
                Some(start..start.checked_add(size)?)
            })
            .ok_or_else(|| self.error(format!("tensor `{tensor}` has an impossible size or place")))?;
        if !range.start.is_multiple_of(8) {
            return Err(self.error(format!("tensor `{tensor}` is not aligned")));
        }
        if range.end > self.map.len() {
            return Err(self.error(format!(
                "truncated: tensor `{tensor}` ends at byte {}, the file at {}; fetch it again",
                range.end,
                self.map.len()
            )));
        }
        Ok((range, dtype, &info.shape))
    }

    /// A tensor as it is stored, in the mapped file where candle can use it there.
    pub fn tensor(&self, tensor: &str) -> Result<QTensor> {
        let (range, dtype, shape) = self.place(tensor)?;
        let storage = match Blocks::mapped(&self.map, range.clone(), dtype) {
            Some((storage, _)) => storage,
            None => {
                let bytes = self.map.get(range).unwrap_or_default();
                QStorage::from_data(bytes.into(), &Device::Cpu, dtype).map_err(|e| self.about(tensor, &e))?
            }
        };
        QTensor::new(storage, shape.clone()).map_err(|e| self.about(tensor, &e))
    }

    /// A matrix of `rows` rows of `inputs` numbers to multiply by, with its blocks. Types that candle multiplies slowly become Q8_0; with `widen`, some of
    /// those get zero columns.
    ///
    /// Q5_0 holds 5-bit numbers times a scale, so the conversion loses nothing; Q5_1 and Q4_1 have an offset too and are
    /// rounded to 8 bits. Q8_0 is widened with zero columns where that lets candle use its fast kernels: those want a
    /// multiple of 256 columns, and a 0.5B model of width 896 reads prompts three times as fast with 1,024.
    pub fn matrix(
        &self,
        tensor: &str,
        (rows, inputs): (usize, usize),
        widen: bool,
        requantised: &Requantised,
    ) -> Result<(QTensor, Option<Blocks>)> {
        let (range, dtype, shape) = self.place(tensor)?;
        if shape.dims() != [rows, inputs] {
            return Err(self.error(format!("`{tensor}` is {:?}, the model needs [{rows}, {inputs}]", shape.dims())));
        }
        let widen = widen && slow_width(inputs);
        let slow = matches!(dtype, GgmlDType::Q5_0 | GgmlDType::Q5_1 | GgmlDType::Q4_1);
        let (storage, blocks, columns) = if slow || (widen && dtype == GgmlDType::Q8_0) {
            let columns = if widen { inputs.next_multiple_of(TILE) } else { inputs };
            let bytes = rows * columns / GgmlDType::Q8_0.block_size() * GgmlDType::Q8_0.type_size();
            let (storage, blocks) = requantised.blocks(tensor, bytes, || {
                let data = self.map.get(range).unwrap_or_default();
                let eight_bits = match dtype {
                    GgmlDType::Q5_0 => q5_0_to_q8_0(data),
                    GgmlDType::Q8_0 => data.to_vec(),
                    _ => self.rounded(tensor)?,
                };
                Ok(if widen { pad_q8_0(&eight_bits, inputs / 32) } else { eight_bits })
            })?;
            (storage, blocks, columns)
        } else {
            match Blocks::mapped(&self.map, range, dtype) {
                Some((storage, blocks)) => (storage, blocks, inputs),
                None => return Ok((self.tensor(tensor)?, None)),
            }
        };
        Ok((QTensor::new(storage, (rows, columns)).map_err(|e| self.about(tensor, &e))?, Some(blocks)))
    }

    /// A tensor rounded to Q8_0 blocks.
    fn rounded(&self, tensor: &str) -> Result<Vec<u8>> {
        let exact = self.tensor(tensor)?.dequantize(&Device::Cpu);
        let rounded = exact.and_then(|exact| QTensor::quantize(&exact, GgmlDType::Q8_0));
        rounded.and_then(|r| Ok(r.data()?.into_owned())).map_err(|e| self.about(tensor, &e))
    }

    fn about(&self, tensor: &str, error: &candle_core::Error) -> Error {
        self.error(format!("tensor `{tensor}`: {}", first_line(error)))
    }

    /// Reads a tensor of `len` numbers as f32.
    pub fn floats(&self, tensor: &str, len: usize) -> Result<Vec<f32>> {
        if self.elements(tensor)? != len {
            return Err(self.error(format!("`{tensor}` has {} numbers, the model needs {len}", self.elements(tensor)?)));
        }
        let floats = self.tensor(tensor)?.dequantize(&Device::Cpu).and_then(|t| t.flatten_all()?.to_vec1());
        floats.map_err(|e| self.about(tensor, &e))
    }
}

/// Candle's errors may carry a backtrace; people need the first line.
pub(super) fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Rewrites blocks of Q5_0 (scale, 32 fifth bits, 16 bytes of two nibbles) as Q8_0 (scale, 32 bytes).
fn q5_0_to_q8_0(blocks: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(blocks.len() / 22 * 34);
    for block in blocks.as_chunks::<22>().0 {
        let [d0, d1, h0, h1, h2, h3, nibbles @ ..] = block;
        let high = u32::from_le_bytes([*h0, *h1, *h2, *h3]);
        out.extend([*d0, *d1]);
        let number = |nibble: u8, bit: usize| (nibble | (((high >> bit) & 1) as u8) << 4).wrapping_sub(16);
        out.extend(nibbles.iter().enumerate().map(|(i, byte)| number(byte & 15, i)));
        out.extend(nibbles.iter().enumerate().map(|(i, byte)| number(byte >> 4, i + 16)));
    }
    out
}

/// The columns that candle's tiled kernels take at a time.
const TILE: usize = 256;

/// Whether zero columns would make a Q8_0 matrix of `inputs` columns faster, for at most a seventh more to multiply.
fn slow_width(inputs: usize) -> bool {
    has_tiles() && !inputs.is_multiple_of(TILE) && inputs.next_multiple_of(TILE) * 7 <= inputs * 8
}

/// Whether candle multiplies Q8_0 by tiles on this processor.
pub(super) fn has_tiles() -> bool {
    #[cfg(target_arch = "x86_64")]
    let tiles = is_x86_feature_detected!("avx512vnni") || is_x86_feature_detected!("avxvnni");
    #[cfg(not(target_arch = "x86_64"))]
    let tiles = false;
    tiles
}

/// Appends blocks of zeros to each row of `blocks` Q8_0 blocks, up to a multiple of [`TILE`] columns.
fn pad_q8_0(data: &[u8], blocks: usize) -> Vec<u8> {
    let (row, wide) = (blocks * 34, (blocks * 32).next_multiple_of(TILE) / 32 * 34);
    let mut out = Vec::with_capacity(data.len() / row.max(1) * wide);
    for bytes in data.chunks_exact(row.max(1)) {
        out.extend_from_slice(bytes);
        out.resize(out.len() + wide - row, 0);
    }
    out
}
