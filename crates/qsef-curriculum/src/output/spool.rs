//! Values that wait on the disk, in a file that goes with the process.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    marker::PhantomData,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use qsef_core::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};

/// Values in the order in which they came; memory holds eight bytes of each.
#[derive(Debug)]
pub(super) struct Spool<T> {
    /// Of the folder: the file has no name.
    dir: PathBuf,
    file: Mutex<File>,
    /// Where each value ends.
    ends: Vec<u64>,
    values: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Spool<T> {
    /// An empty one in a folder that is there.
    pub fn new(dir: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(dir).map_err(|e| Error::io("write", dir, e))?;
        Ok(Self { dir: dir.to_owned(), file: Mutex::new(file), ends: Vec::new(), values: PhantomData })
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn push(&mut self, value: &T) -> Result<()> {
        // Not JSON, which may be read back off by the last bit of a number.
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).map_err(|e| Error::Internal(e.to_string()))?;
        let start = self.ends.last().copied().unwrap_or_default();
        let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        let written = file.seek(SeekFrom::Start(start)).and_then(|_| file.write_all(&bytes));
        written.map_err(|e| Error::io("write", &self.dir, e))?;
        self.ends.push(start + bytes.len() as u64);
        Ok(())
    }

    /// The value that came as number `place`, from 0.
    pub fn get(&self, place: usize) -> Result<T> {
        let gone = || Error::Internal(format!("there are {} values, none is number {place}", self.len()));
        let end = *self.ends.get(place).ok_or_else(gone)?;
        let start = place.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        let mut bytes = vec![0; (end - start) as usize];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|e| Error::io("read", &self.dir, e))?;
        ciborium::from_reader(bytes.as_slice()).map_err(|e| Error::Internal(e.to_string()))
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = Result<T>> + '_ {
        (0..self.len()).map(|place| self.get(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_were_in_any_order() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool: Spool<(String, f64)> = Spool::new(dir.path()).unwrap();
        assert!(spool.is_empty() && spool.get(0).is_err());
        let value = |n: u32| ("é".repeat(n as usize), 0.1 * f64::from(n) + 0.2);
        (0..5).for_each(|n| spool.push(&value(n)).unwrap());
        assert_eq!(spool.get(3).unwrap(), value(3));
        spool.push(&value(5)).unwrap();
        assert_eq!(spool.iter().map(Result::unwrap).collect::<Vec<_>>(), (0..6).map(value).collect::<Vec<_>>());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
    }
}
