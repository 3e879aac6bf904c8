//! `cargo bench -p qsef-score --bench assign`: plans of the sizes that occur, and one that needs the relaxation.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use qsef_score::choose::{Limits, Offer, Slot, assign, assign_within};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// A plan whose better experts are dearer and slower, as a rule, with limits halfway between the least and the most.
fn plan(slots: usize, offers: usize, seed: u64) -> (Vec<Slot>, Limits) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let slots: Vec<Slot> = (0..slots)
        .map(|i| Slot {
            value: rng.random_range(0.5..2.0),
            offers: (0..offers)
                .map(|_| {
                    let size: f64 = rng.random();
                    Offer {
                        te: (0.3 + 0.5 * size + rng.random_range(-0.2..0.2f64)).clamp(0.0, 1.0),
                        usd: 0.01 * size * size * rng.random_range(0.5..1.5),
                        tokens: rng.random_range(100..2000),
                        seconds: 0.5 + 4.0 * size * rng.random_range(0.5..1.5),
                    }
                })
                .collect(),
            after: (0..i).rev().take(3).filter(|_| rng.random_bool(0.4)).collect(),
        })
        .collect();
    let n = slots.len() as f64;
    (slots, Limits { usd: Some(0.0025 * n), tokens: Some((700.0 * n) as u64), seconds: Some(1.2 * n.sqrt() * 2.0) })
}

fn bench(c: &mut Criterion) {
    for (slots, offers) in [(5, 20), (12, 20), (200, 50)] {
        let plans: Vec<_> = (0..20).map(|seed| plan(slots, offers, seed)).collect();
        for (name, nodes) in [("exact", qsef_score::choose::NODES), ("relaxed", 0)] {
            let found: Vec<_> = plans.iter().map(|(s, l)| assign_within(s, *l, 1.0, nodes)).collect();
            let gaps: Vec<f64> = found.iter().flatten().map(|f| f.gap / f.objective).collect();
            let worst = gaps.iter().copied().fold(0.0, f64::max);
            let optimal = gaps.iter().filter(|g| **g == 0.0).count();
            println!(
                "{slots}x{offers} {name}: {} of 20 plans possible, {optimal} proven optimal, worst gap {worst:.1e}",
                gaps.len()
            );
        }
        let mut group = c.benchmark_group(format!("{slots}x{offers}"));
        group.sample_size(10).measurement_time(Duration::from_secs(3));
        group.bench_function("assign, 20 plans", |b| {
            b.iter(|| plans.iter().map(|(s, l)| assign(black_box(s), *l, 1.0).is_ok()).filter(|ok| *ok).count());
        });
        group.bench_function("relaxation alone, 20 plans", |b| {
            b.iter(|| {
                plans.iter().map(|(s, l)| assign_within(black_box(s), *l, 1.0, 0).is_ok()).filter(|ok| *ok).count()
            });
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
