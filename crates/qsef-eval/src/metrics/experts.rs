/// How much better an expert is in its own domain than outside: the difference of two shares of right answers, in [−1, 1] (the paper's
/// section 7.3.3).
pub fn specialisation(inside: &[bool], outside: &[bool]) -> f64 {
    let share = |right: &[bool]| right.iter().filter(|r| **r).count() as f64 / right.len().max(1) as f64;
    share(inside) - share(outside)
}

/// The places of those points that no other beats: none costs at most as much and is at least as good, and better in one of both. From
/// cheap to dear; of equal points the first stays. Points are (cost, quality).
pub fn pareto(points: &[(f64, f64)]) -> Vec<usize> {
    let mut order: Vec<(usize, (f64, f64))> = points.iter().copied().enumerate().collect();
    order.retain(|(_, (cost, quality))| !cost.is_nan() && !quality.is_nan());
    order.sort_by(|(i, a), (j, b)| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)).then(i.cmp(j)));
    let mut best = f64::NEG_INFINITY;
    order.retain(|(_, (_, quality))| {
        let better = *quality > best;
        best = best.max(*quality);
        better
    });
    order.into_iter().map(|(place, _)| place).collect()
}
