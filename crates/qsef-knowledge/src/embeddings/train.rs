//! Training by negative sampling that prefers the hard ones (Sun and others, 2019), seeded.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroUsize,
};

use qsef_core::{Error, Result};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};

use super::{Embeddings, Geometry, Triple};

/// Parts of a batch that are computed side by side and summed in order: the result is the same on any number of cores.
const PARTS: usize = 4;

/// How embeddings are trained. [`TrainOptions::new`] has what does well on graphs of thousands of relations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainOptions {
    /// What relations do.
    pub geometry: Geometry,
    /// Dimensions; complex ones for RotatE.
    pub dimensions: usize,
    /// Times that each triple is seen.
    pub epochs: usize,
    /// Triples of a step.
    pub batch: usize,
    /// Wrong ends that a triple is held against.
    pub negatives: usize,
    /// Adam's step; it falls to a tenth at the end.
    pub rate: f32,
    /// The distance from which on a triple does not hold.
    pub margin: f32,
    /// How much hard negatives count before easy ones; 0 for all alike.
    pub hardness: f32,
    /// How strongly places are pulled to 0.
    pub decay: f32,
    /// The same seed gives the same embeddings.
    pub seed: u64,
}

impl TrainOptions {
    /// The settings that did best on UMLS' validation part (docs/benchmarks.md).
    pub fn new(geometry: Geometry) -> Self {
        let options = Self {
            geometry,
            dimensions: 128,
            epochs: 200,
            batch: 256,
            negatives: 64,
            rate: 0.01,
            margin: 6.0,
            hardness: 1.0,
            decay: 0.0,
            seed: 0,
        };
        match geometry {
            Geometry::TransE => options,
            Geometry::RotatE => Self { dimensions: 192, margin: 9.0, decay: 1e-5, ..options },
        }
    }
}

/// Slopes of some rows of a table.
#[derive(Default)]
struct Slopes {
    places: HashMap<u32, usize>,
    values: Vec<f32>,
}

impl Slopes {
    fn row(&mut self, row: u32, long: usize) -> &mut [f32] {
        let next = self.places.len();
        let place = *self.places.entry(row).or_insert(next);
        if place == next {
            self.values.resize((next + 1) * long, 0.0);
        }
        self.values.get_mut(place * long..(place + 1) * long).unwrap_or_default()
    }

    fn get(&self, row: u32, long: usize) -> Option<&[f32]> {
        let place = *self.places.get(&row)?;
        self.values.get(place * long..(place + 1) * long)
    }
}

/// Adam (Kingma and Ba, 2015) on the rows that a step touches.
struct Adam {
    long: usize,
    mean: Vec<f32>,
    square: Vec<f32>,
    steps: Vec<i32>,
}

impl Adam {
    fn new(rows: usize, long: usize) -> Self {
        Self { long, mean: vec![0.0; rows * long], square: vec![0.0; rows * long], steps: vec![0; rows] }
    }

    fn step(&mut self, row: u32, slope: &[f32], values: &mut [f32], rate: f32, decay: f32) {
        let range = row as usize * self.long..(row as usize + 1) * self.long;
        let (Some(steps), Some(mean), Some(square), Some(values)) = (
            self.steps.get_mut(row as usize),
            self.mean.get_mut(range.clone()),
            self.square.get_mut(range.clone()),
            values.get_mut(range),
        ) else {
            return;
        };
        *steps += 1;
        let (first, second) = (1.0 - 0.9f32.powi(*steps), 1.0 - 0.999f32.powi(*steps));
        for (((value, mean), square), slope) in values.iter_mut().zip(mean).zip(square).zip(slope) {
            let slope = slope + decay * *value;
            *mean = 0.9 * *mean + 0.1 * slope;
            *square = 0.999 * *square + 0.001 * slope * slope;
            *value -= rate * (*mean / first) / ((*square / second).sqrt() + 1e-8);
        }
    }
}

impl Embeddings {
    /// Trains places for `entities` entities and `relations` relations.
    ///
    /// # Errors
    /// [`Error::Input`] for options of 0 and for triples with numbers that are too high.
    pub fn train(triples: &[Triple], entities: usize, relations: usize, options: &TrainOptions) -> Result<Self> {
        let TrainOptions { geometry, dimensions, epochs, batch, negatives, .. } = *options;
        if [dimensions, epochs, batch, negatives].contains(&0) {
            return Err(Error::Input("dimensions, epochs, batch and negatives of a training are above 0".into()));
        }
        let is_outside =
            |t: &&Triple| t[0] as usize >= entities || t[1] as usize >= relations || t[2] as usize >= entities;
        if let Some([head, relation, tail]) = triples.iter().find(is_outside) {
            let message = format!("triple ({head}, {relation}, {tail}) has numbers that are too high");
            return Err(Error::Input(message));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        let long = geometry.numbers(dimensions);
        let wide = (options.margin + 2.0) / dimensions as f32;
        let turn = match geometry {
            Geometry::TransE => wide,
            Geometry::RotatE => std::f32::consts::PI,
        };
        let mut model = Self {
            geometry,
            long,
            dimensions,
            entities: (0..entities * long).map(|_| rng.random_range(-wide..wide)).collect(),
            relations: (0..relations * dimensions).map(|_| rng.random_range(-turn..turn)).collect(),
        };
        let known: HashSet<Triple> = triples.iter().copied().collect();
        let (mut of_entities, mut of_relations) = (Adam::new(entities, long), Adam::new(relations, dimensions));
        let mut order: Vec<Triple> = triples.to_vec();
        for epoch in 0..epochs {
            order.shuffle(&mut rng);
            let rate = options.rate * 0.1f32.powf(epoch as f32 / epochs as f32);
            for batch in order.chunks(batch) {
                let parts = model.slopes(batch, &known, entities as u32, options, &mut rng);
                model.step(&parts, &mut of_entities, &mut of_relations, rate, options);
            }
        }
        Ok(model)
    }

    /// The slopes of a batch, in parts.
    fn slopes(
        &self,
        batch: &[Triple],
        known: &HashSet<Triple>,
        entities: u32,
        options: &TrainOptions,
        rng: &mut ChaCha8Rng,
    ) -> Vec<(Slopes, Slopes)> {
        let parts: Vec<(&[Triple], u64)> =
            batch.chunks(batch.len().div_ceil(PARTS).max(1)).map(|part| (part, rng.random())).collect();
        let work = |(part, seed): &(&[Triple], u64)| {
            let mut rng = ChaCha8Rng::seed_from_u64(*seed);
            let mut slopes = (Slopes::default(), Slopes::default());
            let share = 1.0 / batch.len() as f32;
            pulp::Arch::new().dispatch(|| {
                for triple in *part {
                    for forth in [true, false] {
                        self.hold(*triple, forth, known, entities, options, share, &mut rng, &mut slopes);
                    }
                }
            });
            slopes
        };
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(parts.len().max(1));
        if threads == 1 {
            return parts.iter().map(work).collect();
        }
        std::thread::scope(|scope| {
            let work = &work;
            let running: Vec<_> = parts
                .chunks(parts.len().div_ceil(threads))
                .map(|parts| scope.spawn(move || parts.iter().map(work).collect::<Vec<_>>()))
                .collect();
            running.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        })
    }

    /// Holds a triple against wrong objects, or wrong subjects where not `forth`.
    #[allow(clippy::too_many_arguments, reason = "one step of a loop that has all of these at hand")]
    #[inline(always)]
    fn hold(
        &self,
        [head, relation, tail]: Triple,
        forth: bool,
        known: &HashSet<Triple>,
        entities: u32,
        options: &TrainOptions,
        share: f32,
        rng: &mut ChaCha8Rng,
        (of_entities, of_relations): &mut (Slopes, Slopes),
    ) {
        let (given, right) = if forth { (head, tail) } else { (tail, head) };
        let (Some(place), Some(turn)) = (self.place(given), self.relation(relation)) else { return };
        let mut moved = vec![0f32; self.long];
        self.geometry.moved(place, turn, forth, &mut moved);
        let mut at_moved = vec![0f32; self.long];
        let logistic = |x: f32| 1.0 / (1.0 + (-x).exp());
        let mut pull = |entity: u32, weight: f32, at_moved: &mut [f32]| {
            let Some(place) = self.place(entity) else { return };
            self.geometry.slope(&moved, place, weight, at_moved, of_entities.row(entity, self.long));
        };
        let far = |entity: u32| self.place(entity).map_or(f32::INFINITY, |place| self.geometry.between(&moved, place));
        // −ln σ(γ − d)
        pull(right, share * logistic(far(right) - options.margin), &mut at_moved);
        let wrong = |entity: u32| if forth { [head, relation, entity] } else { [entity, relation, tail] };
        let drawn = (0..options.negatives).map(|_| rng.random_range(0..entities));
        let drawn: Vec<(u32, f32)> = drawn.filter(|e| !known.contains(&wrong(*e))).map(|e| (e, far(e))).collect();
        let nearest = drawn.iter().fold(f32::INFINITY, |least, (_, far)| least.min(*far));
        let weight = |far: f32| (options.hardness * (nearest - far)).exp();
        let sum: f32 = drawn.iter().map(|(_, far)| weight(*far)).sum();
        for (entity, far) in drawn {
            // −p·ln σ(d − γ)
            pull(entity, -share * weight(far) / sum * logistic(options.margin - far), &mut at_moved);
        }
        let at_relation = of_relations.row(relation, self.dimensions);
        let at_place = of_entities.row(given, self.long);
        self.geometry.back((&moved, &at_moved), turn, forth, at_place, at_relation);
    }

    fn step(
        &mut self,
        parts: &[(Slopes, Slopes)],
        of_entities: &mut Adam,
        of_relations: &mut Adam,
        rate: f32,
        options: &TrainOptions,
    ) {
        let each = |parts: &mut dyn Iterator<Item = &Slopes>, long: usize, step: &mut dyn FnMut(u32, &[f32])| {
            let parts: Vec<&Slopes> = parts.collect();
            let mut rows: Vec<u32> = parts.iter().flat_map(|part| part.places.keys().copied()).collect();
            rows.sort_unstable();
            rows.dedup();
            let mut sum = vec![0f32; long];
            for row in rows {
                sum.fill(0.0);
                for slope in parts.iter().filter_map(|part| part.get(row, long)) {
                    sum.iter_mut().zip(slope).for_each(|(sum, x)| *sum += x);
                }
                step(row, &sum);
            }
        };
        let Self { long, dimensions, entities, relations, .. } = self;
        each(&mut parts.iter().map(|p| &p.0), *long, &mut |row, slope| {
            of_entities.step(row, slope, entities, rate, options.decay);
        });
        each(&mut parts.iter().map(|p| &p.1), *dimensions, &mut |row, slope| {
            of_relations.step(row, slope, relations, rate, 0.0);
        });
    }
}
