//! Graph embeddings: places for concepts such that relations are moves between them (TransE) or turns (RotatE). In plain Rust:
//! a step is a few additions for each number, and no tensor library does these faster than a loop that the compiler
//! vectorises.

mod geometry;
mod rank;
mod train;

use std::collections::HashMap;

use qsef_core::{Error, Result};
use rusqlite::Connection;
use serde::Serialize;

pub use geometry::Geometry;
pub use rank::RankReport;
pub use train::TrainOptions;

use crate::{KnowledgeBase, base::meta, graph::Concept};

/// Subject, relation and object by their numbers from 0.
pub type Triple = [u32; 3];

/// Key of the geometry's name in `meta`.
const GEOMETRY: &str = "geometry";

/// Places for entities, and what relations do to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    geometry: Geometry,
    /// Numbers of an entity's place.
    long: usize,
    /// Numbers of a relation.
    dimensions: usize,
    entities: Vec<f32>,
    relations: Vec<f32>,
}

impl Embeddings {
    /// What was learnt.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// An entity's place.
    pub fn place(&self, entity: u32) -> Option<&[f32]> {
        let start = entity as usize * self.long;
        self.entities.get(start..start + self.long)
    }

    fn relation(&self, relation: u32) -> Option<&[f32]> {
        let start = relation as usize * self.dimensions;
        self.relations.get(start..start + self.dimensions)
    }

    /// How far a triple is from holding, from 0 up. `None` for numbers that were not trained.
    pub fn misfit(&self, [head, relation, tail]: Triple) -> Option<f64> {
        let mut moved = vec![0.0; self.long];
        self.geometry.moved(self.place(head)?, self.relation(relation)?, true, &mut moved);
        Some(self.geometry.distance(&moved, self.place(tail)?))
    }

    /// The misfits of all entities as the object, or as the subject where not `forth`.
    fn distances(&self, given: u32, relation: u32, forth: bool) -> Option<Vec<f32>> {
        let mut moved = vec![0.0; self.long];
        self.geometry.moved(self.place(given)?, self.relation(relation)?, forth, &mut moved);
        let places = self.entities.chunks_exact(self.long);
        Some(pulp::Arch::new().dispatch(|| places.map(|place| self.geometry.between(&moved, place)).collect()))
    }
}

/// What was learnt of a base's graph.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Learnt {
    /// Concepts that have places now.
    pub concepts: usize,
    /// Kinds of relations.
    pub kinds: usize,
    /// Relations that were learnt from.
    pub relations: usize,
}

impl KnowledgeBase {
    /// Learns places for the base's concepts from its relations, and keeps them in place of those before. It takes seconds for
    /// thousands of relations, and runs to its end.
    ///
    /// # Errors
    /// [`Error::Input`] where there are no relations, and [`Error::Io`] where the file cannot be read or written.
    pub fn learn_embeddings(&self, options: &TrainOptions) -> Result<Learnt> {
        let mut places: HashMap<Concept, u32> = HashMap::new();
        let mut concepts: Vec<Concept> = Vec::new();
        let mut kinds: HashMap<String, u32> = HashMap::new();
        let triples: Vec<Triple> = self.read(|connection| {
            let mut statement = connection.prepare("SELECT subject, kind, object FROM relations ORDER BY id")?;
            let mut rows = statement.query([])?;
            let mut triples = Vec::new();
            while let Some(row) = rows.next()? {
                let mut place = |concept: Concept| {
                    *places.entry(concept).or_insert_with(|| {
                        concepts.push(concept);
                        concepts.len() as u32 - 1
                    })
                };
                let (subject, object) = (place(row.get(0)?), place(row.get(2)?));
                let next = kinds.len() as u32;
                triples.push([subject, *kinds.entry(row.get(1)?).or_insert(next), object]);
            }
            Ok(triples)
        })?;
        if triples.is_empty() {
            return Err(Error::Input("the knowledge base has no relations to learn from; add documents first".into()));
        }
        let embeddings = Embeddings::train(&triples, concepts.len(), kinds.len(), options)?;
        self.write(|transaction| {
            transaction.execute("DELETE FROM positions", [])?;
            // What was removed while this learnt has no place.
            let sql = "INSERT INTO positions (concept, vector) SELECT id, ?2 FROM concepts WHERE id = ?1";
            let mut insert = transaction.prepare_cached(sql)?;
            for (number, concept) in (0u32..).zip(&concepts) {
                let place = embeddings.place(number).unwrap_or_default();
                let bytes: Vec<u8> = place.iter().flat_map(|x| x.to_le_bytes()).collect();
                insert.execute((concept, bytes))?;
            }
            let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)";
            transaction.execute(sql, (GEOMETRY, options.geometry.name())).map(drop)
        })?;
        Ok(Learnt { concepts: concepts.len(), kinds: kinds.len(), relations: triples.len() })
    }
}

/// Places of concepts.
pub(crate) type Places = HashMap<Concept, Vec<f32>>;

/// What a base keeps of its concepts' places.
pub(crate) fn read(connection: &Connection) -> rusqlite::Result<(Option<Geometry>, Places)> {
    let geometry = meta(connection, GEOMETRY)?.and_then(|name| Geometry::named(&name));
    let mut places = Places::new();
    if geometry.is_some() {
        let mut statement = connection.prepare("SELECT concept, vector FROM positions")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let bytes = row.get_ref(1)?.as_blob()?;
            places.insert(row.get(0)?, bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect());
        }
    }
    Ok((geometry, places))
}
