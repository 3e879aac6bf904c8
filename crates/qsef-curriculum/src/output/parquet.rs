//! Rows as Parquet, with the columns of `train.jsonl`.
//!
//! The low-level writer takes the leaves of the columns one after the other, and needs none of Arrow's crates.

use std::{
    io::{self, Write},
    sync::Arc,
};

use parquet::{
    basic::Compression,
    column::writer::ColumnWriter,
    data_type::ByteArray,
    errors::{ParquetError, Result},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

use crate::item::{Kind, Row, Turn};

const SCHEMA: &str = "message row {
    required binary id (STRING);
    required binary item (STRING);
    required binary tier (STRING);
    required int64 level;
    required int64 stage;
    required group messages (LIST) {
        repeated group list {
            required group element {
                required binary role (STRING);
                required binary content (STRING);
            }
        }
    }
    required binary language (STRING);
    required binary kind (STRING);
    required group origin {
        required binary source (STRING);
        required binary place (STRING);
        required binary licence (STRING);
    }
    required double complexity;
    required double resistance;
    required double distance;
    required double te;
    required double richness;
    required double difficulty;
    required double weight;
    required int64 tokens;
    required boolean frontier;
    required boolean suits;
}";

/// How a leaf of [`SCHEMA`] is read from a row.
enum Leaf {
    Text(fn(&Row) -> &str),
    Count(fn(&Row) -> u64),
    Real(fn(&Row) -> f64),
    Flag(fn(&Row) -> bool),
    /// Of each message.
    Said(fn(&Turn) -> &str),
}

/// The leaves, in the order of [`SCHEMA`].
const LEAVES: [Leaf; 22] = [
    Leaf::Text(|row| &row.id),
    Leaf::Text(|row| &row.item),
    Leaf::Text(|row| &row.tier),
    Leaf::Count(|row| row.level as u64),
    Leaf::Count(|row| row.stage as u64),
    Leaf::Said(|turn| &turn.role),
    Leaf::Said(|turn| &turn.content),
    Leaf::Text(|row| row.language.code()),
    Leaf::Text(|row| kind(row.kind)),
    Leaf::Text(|row| &row.origin.source),
    Leaf::Text(|row| &row.origin.place),
    Leaf::Text(|row| row.origin.licence.as_deref().unwrap_or_default()),
    Leaf::Real(|row| row.complexity),
    Leaf::Real(|row| row.resistance),
    Leaf::Real(|row| row.distance),
    Leaf::Real(|row| row.te),
    Leaf::Real(|row| row.richness),
    Leaf::Real(|row| row.difficulty),
    Leaf::Real(|row| row.weight),
    Leaf::Count(|row| row.tokens),
    Leaf::Flag(|row| row.frontier),
    Leaf::Flag(|row| row.suits),
];

/// As in JSON.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Passage => "passage",
        Kind::Answer => "answer",
        Kind::Reasoning => "reasoning",
        Kind::Topic => "topic",
    }
}

/// A file that is being written.
pub(super) struct Rows<W: Write + Send>(SerializedFileWriter<W>);

impl<W: Write + Send> Rows<W> {
    pub(super) fn new(sink: W) -> io::Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("qsef version ", env!("CARGO_PKG_VERSION")).into())
            .build();
        let new = |schema| SerializedFileWriter::new(sink, Arc::new(schema), Arc::new(properties));
        Ok(Self(parse_message_type(SCHEMA).and_then(new).map_err(io::Error::other)?))
    }

    /// Adds rows as one group, the unit that readers hold in memory.
    pub(super) fn group(&mut self, rows: &[Row]) -> io::Result<()> {
        self.encode(rows).map_err(io::Error::other)
    }

    fn encode(&mut self, rows: &[Row]) -> Result<()> {
        let mut group = self.0.next_row_group()?;
        for leaf in &LEAVES {
            let Some(mut column) = group.next_column()? else { break };
            leaf.write(column.untyped(), rows)?;
            column.close()?;
        }
        group.close()?;
        Ok(())
    }

    /// What the file is written to.
    pub(super) fn sink(&self) -> &W {
        self.0.inner()
    }

    /// Ends the file, and gives back what it was written to.
    pub(super) fn end(self) -> io::Result<W> {
        self.0.into_inner().map_err(io::Error::other)
    }
}

impl Leaf {
    fn write(&self, column: &mut ColumnWriter<'_>, rows: &[Row]) -> Result<()> {
        let bytes = |text: &str| ByteArray::from(text.as_bytes().to_vec());
        match (self, column) {
            (Self::Text(of), ColumnWriter::ByteArrayColumnWriter(column)) => {
                let values: Vec<ByteArray> = rows.iter().map(|row| bytes(of(row))).collect();
                column.write_batch(&values, None, None)?;
            }
            (Self::Count(of), ColumnWriter::Int64ColumnWriter(column)) => {
                let count = |row: &Row| i64::try_from(of(row)).unwrap_or(i64::MAX);
                column.write_batch(&rows.iter().map(count).collect::<Vec<i64>>(), None, None)?;
            }
            (Self::Real(of), ColumnWriter::DoubleColumnWriter(column)) => {
                column.write_batch(&rows.iter().map(of).collect::<Vec<f64>>(), None, None)?;
            }
            (Self::Flag(of), ColumnWriter::BoolColumnWriter(column)) => {
                column.write_batch(&rows.iter().map(of).collect::<Vec<bool>>(), None, None)?;
            }
            (Self::Said(of), ColumnWriter::ByteArrayColumnWriter(column)) => {
                // Repetition 0 begins a row, definition 0 is a row without messages.
                let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
                for row in rows {
                    for (place, turn) in row.messages.iter().enumerate() {
                        values.push(bytes(of(turn)));
                        defined.push(1);
                        repeated.push(i16::from(place > 0));
                    }
                    if row.messages.is_empty() {
                        defined.push(0);
                        repeated.push(0);
                    }
                }
                column.write_batch(&values, Some(&defined), Some(&repeated))?;
            }
            _ => return Err(ParquetError::General("the leaves are not those of the schema".into())),
        }
        Ok(())
    }
}
