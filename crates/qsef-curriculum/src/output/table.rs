//! The rows in curriculum order: all of them, and each stage's, as JSON lines and as Parquet, in one pass.

use std::io::{self, Write};

use qsef_core::{Error, Result};

use super::{
    Collected, Place, Stage,
    files::{Folder, Part, line},
    parquet, rows,
};
use crate::item::Row;

/// Rows that are in memory together; a row group of Parquet.
const GROUP: usize = 2_000;

/// The same rows in two files.
struct Table {
    lines: Part,
    parquet: parquet::Rows<Part>,
}

/// Writes the rows.
pub(super) fn write(folder: &mut Folder, stages: &[Stage<'_>], collected: &Collected) -> Result<()> {
    let mut train = Table::begin(folder, "train")?;
    for stage in stages {
        let mut own = Table::begin(folder, &stage.file())?;
        for places in stage.places.chunks(GROUP) {
            let (rows, lines) = group(places, collected)?;
            train.add(&rows, &lines)?;
            own.add(&rows, &lines)?;
        }
        own.end(folder)?;
    }
    train.end(folder)
}

/// Rows, and their lines.
fn group(places: &[Place], collected: &Collected) -> Result<(Vec<Row>, Vec<u8>)> {
    let rows = places.iter().map(|place| collected.row(place)).collect::<Result<Vec<Row>>>()?;
    let mut lines = Vec::new();
    for row in &rows {
        line(&mut lines, &rows::line(row)).map_err(encoding)?;
    }
    Ok((rows, lines))
}

impl Table {
    fn begin(folder: &mut Folder, name: &str) -> Result<Self> {
        let lines = folder.begin(&format!("{name}.jsonl"))?;
        let parquet = parquet::Rows::new(folder.begin(&format!("{name}.parquet"))?).map_err(encoding)?;
        Ok(Self { lines, parquet })
    }

    fn add(&mut self, rows: &[Row], lines: &[u8]) -> Result<()> {
        self.lines.write_all(lines).map_err(|e| self.lines.fault(e))?;
        self.parquet.group(rows).map_err(|e| self.parquet.sink().fault(e))
    }

    fn end(self, folder: &mut Folder) -> Result<()> {
        folder.end(self.lines)?;
        let path = self.parquet.sink().path().to_owned();
        folder.end(self.parquet.end().map_err(|e| Error::io("write", &path, e))?)
    }
}

fn encoding(e: io::Error) -> Error {
    Error::Internal(e.to_string())
}
