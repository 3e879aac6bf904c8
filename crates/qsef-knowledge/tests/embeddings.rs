//! Graph embeddings: what they learn, and that a seed gives the same.

use std::ops::Range;

use qsef_knowledge::{Embeddings, Geometry, TrainOptions, Triple};

/// A ring of 40 with "next" and its inverse, and every place's opposite.
fn ring() -> Vec<Triple> {
    const COUNT: u32 = 40;
    let all: Range<u32> = 0..COUNT;
    all.flat_map(|i| [[i, 0, (i + 1) % COUNT], [(i + 1) % COUNT, 1, i], [i, 2, (i + COUNT / 2) % COUNT]]).collect()
}

#[test]
fn what_is_left_out_is_guessed() {
    let all = ring();
    let (test, train): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|(i, _)| i % 12 == 5);
    let only = |rows: Vec<(usize, &Triple)>| rows.into_iter().map(|(_, t)| *t).collect::<Vec<_>>();
    let (test, train) = (only(test), only(train));
    // An opposite of an opposite is the place itself: turns can say that, moves cannot.
    for (geometry, least) in [(Geometry::TransE, 0.5), (Geometry::RotatE, 0.9)] {
        let options =
            TrainOptions { dimensions: 32, epochs: 300, batch: 32, negatives: 16, ..TrainOptions::new(geometry) };
        let embeddings = Embeddings::train(&train, 40, 3, &options).unwrap();
        let report = embeddings.rank(&test, &train);
        assert_eq!(report.ranks, 2 * test.len());
        assert!(report.hits_10 >= least && report.mrr <= 1.0 && report.mean_rank >= 1.0, "{geometry:?} {report:?}");
        let misfit = |triple| embeddings.misfit(triple).unwrap();
        assert!(misfit([3, 0, 4]) < misfit([3, 0, 9]));
        assert!(embeddings.misfit([3, 0, 40]).is_none());
        assert_eq!(embeddings, Embeddings::train(&train, 40, 3, &options).unwrap());
    }
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let options = TrainOptions::new(Geometry::TransE);
    let error = Embeddings::train(&[[0, 0, 7]], 3, 1, &options).unwrap_err();
    assert!(error.to_string().contains("(0, 0, 7)"), "{error}");
    assert!(Embeddings::train(&[[0, 0, 1]], 2, 1, &TrainOptions { batch: 0, ..options }).is_err());
    // One entity has no wrong end.
    let alone = Embeddings::train(&[[0, 0, 0]], 1, 1, &TrainOptions { epochs: 2, ..options }).unwrap();
    assert!(alone.misfit([0, 0, 0]).unwrap().is_finite());
}
