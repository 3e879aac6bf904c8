use super::*;

fn difficulty() -> Vec<f32> {
    (0..100).map(|i| i as f32 / 100.0).collect()
}

#[test]
fn uniform_sees_every_text_once_an_epoch() {
    let mut sampler = Sampler::new(Sampling::Uniform, &difficulty(), 10, 20, 1);
    let mut seen: Vec<usize> = (0..10).flat_map(|step| sampler.next(step)).collect();
    assert_ne!(seen, (0..100).collect::<Vec<_>>());
    seen.sort();
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
    let other = Sampler::new(Sampling::Uniform, &difficulty(), 10, 20, 2).next(3);
    assert_ne!(sampler.next(3), other);
}

#[test]
fn what_resists_is_seen_more_often() {
    let mut sampler = Sampler::new(Sampling::Dynamic, &difficulty(), 10, 1000, 1);
    let all: Vec<usize> = (0..100).collect();
    let resistance: Vec<f32> = (0..100).map(|i| if i < 10 { 5.0 } else { 0.1 }).collect();
    sampler.observe(&all, &resistance);
    let seen: Vec<usize> = (0..500).flat_map(|step| sampler.next(step)).collect();
    let hard = seen.iter().filter(|row| **row < 10).count() as f64 / seen.len() as f64;
    assert!(hard > 0.3, "{hard} where uniform sampling has 0.1");
    let missing = all.iter().filter(|row| !seen.contains(row)).count();
    assert_eq!(missing, 0, "the easy ones are not forgotten");
}

#[test]
fn progressions_grow_from_their_end() {
    let seen = |sampling, step| Sampler::new(sampling, &difficulty(), 10, 100, 1).next(step);
    assert!(seen(Sampling::Progressive, 0).iter().all(|row| *row < 25));
    assert!(seen(Sampling::Staged, 10).iter().all(|row| *row < 25));
    assert!(seen(Sampling::Staged, 20).iter().all(|row| *row < 50));
    assert!(seen(Sampling::Reverse, 0).iter().all(|row| *row >= 75));
    assert!(seen(Sampling::RandomPaced, 0).iter().any(|row| *row >= 25));
    let mut late: Vec<usize> = (50..100).flat_map(|step| seen(Sampling::Progressive, step)).collect();
    late.sort();
    assert!(late.first() < Some(&10) && late.last() > Some(&90));
    let at_hand = |sampling| Sampler::new(sampling, &difficulty(), 10, 100, 1).at_hand(25);
    assert_eq!(at_hand(Sampling::Progressive), at_hand(Sampling::RandomPaced));
}

#[test]
fn a_sampler_goes_on_where_another_stopped() {
    let mut first = Sampler::new(Sampling::Dynamic, &difficulty(), 10, 100, 1);
    for step in 0..5 {
        let rows = first.next(step);
        first.observe(&rows, &vec![step as f32 + 0.5; rows.len()]);
    }
    let mut second = Sampler::new(Sampling::Dynamic, &difficulty(), 10, 100, 1);
    second.set_current(first.current().to_vec());
    assert_eq!(first.next(5), second.next(5));
}
