//! `cargo bench -p qsef-score --bench decide`: the time of a decision, without the embedding. Reading a short request, and
//! ranking 10 to 10,000 experts for it, without a history and with one of 1,000 tasks.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "as in a test, a failure is to be loud")]

use std::{cell::LazyCell, hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use qsef_core::ExpertProfile;
use qsef_score::{Example, LearnOptions, Outcome, Scorer, Task, Weights, anchor_texts};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

const DIMENSIONS: usize = 384;
const TOPICS: usize = 60;
const WORDS: usize = 4000;
const PAST: usize = 1000;

/// Texts and vectors that resemble those of real experts: words in Zipf's proportions, vectors around topics.
struct World {
    rng: ChaCha8Rng,
    words: Vec<String>,
    topics: Vec<Vec<f32>>,
}

impl World {
    fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut word = || -> String {
            (0..rng.random_range(1..=3))
                .map(|_| {
                    let consonant = b"bcdfghklmnprstvz"[rng.random_range(0..16)] as char;
                    let vowel = b"aeiou"[rng.random_range(0..5)] as char;
                    format!("{consonant}{vowel}{}", ["", "n", "r", "t"][rng.random_range(0..4)])
                })
                .collect()
        };
        let words = (0..WORDS).map(|_| word()).collect();
        let topics = (0..TOPICS).map(|_| (0..DIMENSIONS).map(|_| rng.random_range(-1.0..1.0f32)).collect()).collect();
        Self { rng, words, topics }
    }

    fn text(&mut self, words: usize) -> String {
        let word = |_| {
            // The rank of a word in Zipf's law is log-uniform.
            let rank = (WORDS as f64).powf(self.rng.random::<f64>()) as usize - 1;
            self.words[rank].clone()
        };
        (0..words).map(word).collect::<Vec<_>>().join(" ")
    }

    fn vector(&mut self, topic: usize) -> Vec<f32> {
        self.topics[topic % TOPICS].iter().map(|x| x + self.rng.random_range(-1.0..1.0f32)).collect()
    }

    fn scorer(&mut self, experts: usize) -> Scorer {
        let mut scorer = Scorer::new(Weights::default());
        for i in 0..experts {
            let profile = ExpertProfile::new(format!("expert_{i}"), self.text(10)).examples([
                self.text(8),
                self.text(8),
                self.text(8),
            ]);
            let vectors = anchor_texts(&profile).iter().map(|_| self.vector(i)).collect();
            scorer.add(&profile, vectors);
        }
        scorer
    }

    fn task(&mut self, topic: usize, text: &str) -> (Task, Vec<Vec<f32>>) {
        (Task::new(text), (0..Task::TEXTS).map(|_| self.vector(topic)).collect())
    }

    /// Past tasks, each with the outcomes of the same few experts.
    fn past(&mut self) -> Vec<Example> {
        (0..PAST)
            .map(|i| {
                let text = self.text(12);
                let (task, vectors) = self.task(i, &text);
                let success = |e: usize| f64::from(u8::from((i + e) % TOPICS < 30));
                let outcomes = (0..5).map(|e| Outcome::new(format!("expert_{e}"), success(e))).collect();
                Example { task, vectors, outcomes }
            })
            .collect()
    }

    /// A request of 60 characters: common and rare words, as in a profile.
    fn request(&mut self) -> String {
        let mut text = self.text(20);
        text.truncate(60);
        text
    }
}

fn bench(c: &mut Criterion) {
    let mut world = World::new();
    let requests: Vec<String> = (0..32).map(|_| world.request()).collect();
    c.bench_function("Task::new", |b| {
        let mut next = requests.iter().cycle();
        b.iter(|| next.next().map(|text| Task::new(black_box(text))));
    });
    for history in [false, true] {
        let mut group = c.benchmark_group(if history { "rank, history of 1000" } else { "rank, no history" });
        group.sample_size(30).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
        for experts in [10, 100, 1000, 10_000] {
            // Only what is asked for is built, and the same whatever else is.
            let built = LazyCell::new(|| {
                let mut world = World::new();
                let mut scorer = world.scorer(experts);
                if history {
                    scorer.learn(&world.past(), &LearnOptions::default()).unwrap();
                }
                let tasks: Vec<_> = (0..).zip(&requests).map(|(i, text)| world.task(i, text)).collect();
                (scorer, tasks)
            });
            group.throughput(Throughput::Elements(experts as u64));
            group.bench_function(BenchmarkId::from_parameter(experts), |b| {
                let (scorer, tasks) = &*built;
                let mut next = tasks.iter().cycle();
                b.iter(|| next.next().map(|(task, vectors)| scorer.rank(black_box(task), vectors)));
            });
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
