//! Non-negative regression with log link: `p = exp(−Σ β_i·x_i)`, β ≥ 0.

use nalgebra::{DMatrix, DVector};

use crate::terms::{Term, Values};

/// One observation: the terms, the outcome in [0, 1], and its weight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub terms: Values,
    pub success: f64,
    pub weight: f64,
}

/// The least exponent: the logarithm of the odds stays finite at `p = 1`.
const LEAST_EXPONENT: f64 = 1e-3;

const STEPS: usize = 60;

/// Rounds over the coordinates within a step; there are few.
const SWEEPS: usize = 1000;

/// What the penalised likelihood is minimised for: value, gradient and curvature at β.
struct Point {
    loss: f64,
    gradient: DVector<f64>,
    hessian: DMatrix<f64>,
}

/// Maximum a posteriori coefficients: Bernoulli likelihood with fractional outcomes, and a Gaussian prior around
/// `prior` that is worth `strength` observations. Terms that are `fixed` keep their prior. The negative log-likelihood is
/// convex in β; each step minimises its quadratic model over β ≥ 0, and goes as far towards that as it gains (projected
/// Newton), to the one optimum.
pub(crate) fn fit(rows: &[Row], prior: &Values, strength: f64, fixed: impl Fn(Term) -> bool) -> Values {
    let free: Vec<Term> = Term::ALL.into_iter().filter(|&t| !fixed(t)).collect();
    let mut beta = *prior;
    let mut point = evaluate(rows, &beta, prior, strength, &free);
    for _ in 0..STEPS {
        let start: Vec<f64> = free.iter().map(|&t| beta.get(t)).collect();
        let direction = direction(&point, &start);
        let (mut step, mut better) = (1.0, None);
        while step > 1e-6 {
            let mut candidate = beta;
            for ((&term, from), d) in free.iter().zip(&start).zip(&direction) {
                candidate.set(term, (from + step * d).max(0.0));
            }
            let next = evaluate(rows, &candidate, prior, strength, &free);
            if next.loss < point.loss {
                better = Some((candidate, next));
                break;
            }
            step /= 2.0;
        }
        let Some((candidate, next)) = better else { break };
        let gain = point.loss - next.loss;
        (beta, point) = (candidate, next);
        if gain < 1e-9 * point.loss.abs() {
            break;
        }
    }
    beta
}

/// The step to the minimum of `g·d + d·H·d/2` where `start + d ≥ 0`, by coordinate descent.
fn direction(point: &Point, start: &[f64]) -> Vec<f64> {
    let mut step = vec![0f64; start.len()];
    for _ in 0..SWEEPS {
        let mut moved = 0f64;
        for (i, from) in start.iter().enumerate() {
            let curvature = point.hessian.get((i, i)).copied().unwrap_or(1.0).max(f64::MIN_POSITIVE);
            let slope: f64 = point.gradient.get(i).copied().unwrap_or_default()
                + point.hessian.row(i).iter().zip(&step).map(|(h, d)| h * d).sum::<f64>();
            if let Some(d) = step.get_mut(i) {
                let next = (*d - slope / curvature).max(-from);
                moved = moved.max((next - *d).abs());
                *d = next;
            }
        }
        if moved < 1e-10 {
            break;
        }
    }
    step
}

fn evaluate(rows: &[Row], beta: &Values, prior: &Values, strength: f64, free: &[Term]) -> Point {
    let n = free.len();
    let mut point = Point { loss: 0.0, gradient: DVector::zeros(n), hessian: DMatrix::zeros(n, n) };
    for row in rows {
        let z = beta.dot(&row.terms).max(LEAST_EXPONENT);
        let p = (-z).exp();
        let failure = -(-z).exp_m1();
        point.loss += row.weight * (row.success * z - (1.0 - row.success) * failure.ln());
        // First and second derivative with respect to z.
        let first = row.weight * (row.success - (1.0 - row.success) * p / failure);
        let second = row.weight * (1.0 - row.success) * p / (failure * failure);
        for (i, &a) in free.iter().enumerate() {
            let x = row.terms.get(a);
            if let Some(g) = point.gradient.get_mut(i) {
                *g += first * x;
            }
            for (j, &b) in free.iter().enumerate().take(i + 1) {
                if let Some(h) = point.hessian.get_mut((i, j)) {
                    *h += second * x * row.terms.get(b);
                }
            }
        }
    }
    for (i, &term) in free.iter().enumerate() {
        let away = beta.get(term) - prior.get(term);
        point.loss += strength * away * away / 2.0;
        if let Some(g) = point.gradient.get_mut(i) {
            *g += strength * away;
        }
        if let Some(h) = point.hessian.get_mut((i, i)) {
            *h += strength;
        }
    }
    point.hessian.fill_upper_triangle_with_lower_triangle();
    point
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(seed: u64, count: usize, beta: &Values) -> Vec<Row> {
        let mut state = seed | 1;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / (1u64 << 31) as f64
        };
        (0..count)
            .map(|_| {
                let terms =
                    Values::from_iter([(Term::Description, next()), (Term::Data, next()), (Term::Lexical, next())]);
                let success = f64::from(next() < (-beta.dot(&terms)).exp());
                Row { terms, success, weight: 1.0 }
            })
            .collect()
    }

    #[test]
    fn true_coefficients_are_found_and_useless_terms_get_none() {
        let truth = Values::from_iter([(Term::Description, 1.5), (Term::Data, 0.7)]);
        let found = fit(&rows(7, 20_000, &truth), &Values::default(), 1.0, |_| false);
        assert!((found.get(Term::Description) - 1.5).abs() < 0.1, "{found:?}");
        assert!((found.get(Term::Data) - 0.7).abs() < 0.1, "{found:?}");
        assert!(found.get(Term::Lexical) < 0.05, "{found:?}");
    }

    #[test]
    fn without_rows_the_prior_stays_and_fixed_terms_do_too() {
        let prior = Values::from_iter([(Term::Description, 1.0), (Term::Data, 0.3)]);
        assert_eq!(fit(&[], &prior, 10.0, |_| false), prior);
        let truth = Values::from_iter([(Term::Description, 3.0)]);
        let found = fit(&rows(3, 500, &truth), &prior, 10.0, |t| t == Term::Data);
        assert_eq!(found.get(Term::Data), 0.3);
        assert!(found.get(Term::Description) > 1.5);
    }

    proptest! {
        #[test]
        fn coefficients_are_finite_and_not_negative(
            seed in any::<u64>(), count in 0usize..60, success in 0.0..=1.0f64,
        ) {
            let mut rows = rows(seed, count, &Values::default());
            rows.iter_mut().for_each(|r| r.success = success);
            let found = fit(&rows, &crate::Weights::default().profile, 10.0, |_| false);
            prop_assert!(found.as_array().iter().all(|b| b.is_finite() && *b >= 0.0));
        }
    }
}
