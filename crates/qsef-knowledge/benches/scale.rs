//! A base of 100,000 pieces and a graph of 100,000 concepts with a million relations: `cargo bench -p qsef-knowledge`. Prints
//! medians and 95th percentiles.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a program for measuring

use std::{
    fmt::Write as _,
    fs,
    io::{BufWriter, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use qsef_core::{AnyEmbedder, Embedder, Result};
use qsef_knowledge::{AddOptions, Graph, KnowledgeBase, Mode, SearchOptions, TripleFormat};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

const FILES: usize = 20_000;
const PIECES: usize = 5;
const WORDS: usize = 50_000;
const CONCEPTS: u32 = 100_000;
const RELATIONS: u32 = 1_000_000;
const DIMENSIONS: usize = 384;

/// Vectors without meaning, at no cost: what is measured is all the rest.
struct Noise;

fn noise(text: &str) -> Vec<f32> {
    let mut state =
        text.bytes().fold(0x9e37_79b9_7f4a_7c15u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)) | 1;
    let mut vector: Vec<f32> = (0..DIMENSIONS)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        })
        .collect();
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= norm);
    vector
}

impl Embedder for Noise {
    fn name(&self) -> &str {
        "noise"
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        Ok(texts.iter().map(|text| noise(text)).collect())
    }
}

/// Words as often as in texts: the n-th about 1/n.
fn word(rng: &mut ChaCha8Rng) -> usize {
    (WORDS as f64).powf(rng.random_range(0.0..1.0)) as usize
}

fn spelled(number: usize) -> String {
    const SYLLABLES: [&str; 16] =
        ["ka", "lo", "mi", "nu", "re", "so", "ta", "vi", "zo", "pe", "du", "fa", "gi", "ho", "ju", "be"];
    let (mut rest, mut text) = (number + 16, String::new());
    while rest > 0 {
        text.push_str(SYLLABLES[rest % 16]);
        rest /= 16;
    }
    text
}

fn write_corpus(dir: &Path, rng: &mut ChaCha8Rng) {
    for file in 0..FILES {
        let mut text = format!("# {} {}\n\n", spelled(word(rng)), spelled(word(rng)));
        for _ in 0..PIECES {
            // Just above what fits in one piece with another.
            let mut piece = String::new();
            while piece.len() < 560 {
                let _ = write!(piece, "{} ", spelled(word(rng)));
            }
            text.push_str(piece.trim_end());
            text.push_str(".\n\n");
        }
        let folder = dir.join(format!("{:03}", file % 200));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{file}.md")), text).unwrap();
    }
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let ms = |at: usize| times[at].as_secs_f64() * 1e3;
    println!(
        "{what}: median {:.3} ms, 95 % {:.3} ms, of {}",
        ms(times.len() / 2),
        ms(times.len() * 95 / 100),
        times.len()
    );
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed())
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let corpus = dir.path().join("corpus");
    write_corpus(&corpus, &mut rng);
    let add = |name: &str, embedder: Option<AnyEmbedder>| {
        let base = KnowledgeBase::open(dir.path().join(name)).unwrap();
        let options = AddOptions { embedder, ..AddOptions::default() };
        let (added, took) =
            timed(|| runtime.block_on(base.add(std::slice::from_ref(&corpus), &options, &|_| ())).unwrap());
        println!(
            "{name}: {} pieces in {:.1} s, {:.0} a second",
            added.chunks,
            took.as_secs_f64(),
            added.chunks as f64 / took.as_secs_f64()
        );
        base
    };
    add("words", None);
    let base = add("vectors", Some(AnyEmbedder::new(Noise)));
    let (again, took) =
        timed(|| runtime.block_on(base.add(std::slice::from_ref(&corpus), &AddOptions::default(), &|_| ())).unwrap());
    println!("added again: {} files as before in {:.2} s", again.unchanged, took.as_secs_f64());
    println!("the file: {:.0} MB", base.stats().unwrap().bytes as f64 / 1e6);

    let queries: Vec<String> = (0..300)
        .map(|_| (0..rng.random_range(2..7)).map(|_| spelled(word(&mut rng))).collect::<Vec<_>>().join(" "))
        .collect();
    let vectors: Vec<Vec<f32>> = queries.iter().map(|query| noise(query)).collect();
    let (_, first) = timed(|| {
        base.search("x", &SearchOptions { limit: 10, mode: Mode::Meaning, vector: Some(&vectors[0]) }).unwrap()
    });
    println!("the first search reads the vectors: {:.0} ms", first.as_secs_f64() * 1e3);
    for (name, mode) in [("words", Mode::Words), ("meaning", Mode::Meaning), ("both", Mode::Fused)] {
        let search = |(query, vector): (&String, &Vec<f32>)| {
            timed(|| base.search(query, &SearchOptions { limit: 10, mode, vector: Some(vector) }).unwrap()).1
        };
        report(&format!("search by {name}"), queries.iter().zip(&vectors).map(search).collect());
    }
    let covers = |query: &String| timed(|| base.covers(query).unwrap()).1;
    report("what of a query is covered", queries.iter().map(covers).collect());

    let triples = dir.path().join("graph.tsv");
    let mut file = BufWriter::new(fs::File::create(&triples).unwrap());
    let name = |number: u32| format!("{} {}", spelled(number as usize * 7), number);
    for concept in 1..CONCEPTS {
        writeln!(file, "{}\tis_a\t{}", name(concept), name(rng.random_range(concept / 8..concept))).unwrap();
    }
    for _ in CONCEPTS..RELATIONS {
        let (a, b) = (rng.random_range(0..CONCEPTS), rng.random_range(0..CONCEPTS));
        writeln!(file, "{}\t{}\t{}", name(a), ["uses", "causes", "related_to"][(a % 3) as usize], name(b)).unwrap();
    }
    file.flush().unwrap();
    let base = KnowledgeBase::open(dir.path().join("graph")).unwrap();
    let (imported, took) = timed(|| base.import(&triples, TripleFormat::Tsv).unwrap());
    println!("imported {} relations in {:.1} s", imported.relations, took.as_secs_f64());
    let (graph, took) = timed(|| base.graph().unwrap());
    println!("{graph:?} read in {:.2} s", took.as_secs_f64());
    let pairs: Vec<(u32, u32)> = (0..2000)
        .map(|_| (rng.random_range(0..CONCEPTS), rng.random_range(0..CONCEPTS)))
        .map(|(a, b)| (graph.find(&name(a)).unwrap().id, graph.find(&name(b)).unwrap().id))
        .collect();
    report("shortest path", pairs.iter().map(|(a, b)| timed(|| graph.path(*a, *b).unwrap()).1).collect());
    report("its length", pairs.iter().map(|(a, b)| timed(|| Graph::path_length(&graph, *a, *b).unwrap()).1).collect());
    report("lowest common ancestor", pairs.iter().map(|(a, b)| timed(|| graph.common_ancestor(*a, *b)).1).collect());
    report("two steps around", pairs.iter().map(|(a, _)| timed(|| graph.neighbourhood(*a, 2, 100)).1).collect());
}
