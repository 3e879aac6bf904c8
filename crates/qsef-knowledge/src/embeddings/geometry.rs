use serde::{Deserialize, Serialize};

/// What a relation does to the place of its subject, to come near to its object's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Geometry {
    /// It moves it: `h + r ≈ t` (Bordes and others, 2013), compared by the sum of the differences.
    TransE,
    /// It turns it: `h ∘ r ≈ t` in complex numbers, `|r| = 1` (Sun and others, 2019), compared by the sum of the moduli. A place is
    /// all real parts, then all imaginary ones.
    RotatE,
}

/// Numbers that are summed side by side, so that the compiler may use the processor's wide registers.
const LANES: usize = 8;

impl Geometry {
    /// Its name, as in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::TransE => "transe",
            Self::RotatE => "rotate",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::TransE, Self::RotatE].into_iter().find(|g| g.name() == name)
    }

    /// How many numbers a concept's place has in `dimensions` dimensions.
    pub(super) fn numbers(self, dimensions: usize) -> usize {
        match self {
            Self::TransE => dimensions,
            Self::RotatE => 2 * dimensions,
        }
    }

    /// How far two places are from each other, from 0 up; infinite for places of different length.
    pub fn distance(self, a: &[f32], b: &[f32]) -> f64 {
        if a.len() != b.len() { f64::INFINITY } else { f64::from(self.between(a, b)) }
    }

    /// As [`Geometry::distance`], for places of one length.
    #[inline(always)]
    pub(super) fn between(self, a: &[f32], b: &[f32]) -> f32 {
        match self {
            Self::TransE => {
                let mut sums = [0f32; LANES];
                let (a, b) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
                for (x, y) in a.0.iter().zip(b.0) {
                    sums.iter_mut().zip(x.iter().zip(y)).for_each(|(sum, (x, y))| *sum += (x - y).abs());
                }
                sums.iter().sum::<f32>() + a.1.iter().zip(b.1).map(|(x, y)| (x - y).abs()).sum::<f32>()
            }
            Self::RotatE => {
                let ((ar, ai), (br, bi)) = (halves(a), halves(b));
                let mut sums = [0f32; LANES];
                let rows = ar.as_chunks::<LANES>().0.iter().zip(ai.as_chunks::<LANES>().0);
                let others = br.as_chunks::<LANES>().0.iter().zip(bi.as_chunks::<LANES>().0);
                for ((ar, ai), (br, bi)) in rows.zip(others) {
                    let parts = ar.iter().zip(ai).zip(br.iter().zip(bi));
                    for (sum, ((ar, ai), (br, bi))) in sums.iter_mut().zip(parts) {
                        *sum += modulus(ar - br, ai - bi);
                    }
                }
                let done = ar.len() / LANES * LANES;
                let rest = ar.iter().zip(ai).zip(br.iter().zip(bi)).skip(done);
                sums.iter().sum::<f32>() + rest.map(|((a, b), (c, d))| modulus(a - c, b - d)).sum::<f32>()
            }
        }
    }

    /// Adds `weight` times the distance's slope: to `at_a` that by place `a`, to `at_b` that by place `b`.
    #[inline(always)]
    pub(super) fn slope(self, a: &[f32], b: &[f32], weight: f32, at_a: &mut [f32], at_b: &mut [f32]) {
        match self {
            Self::TransE => {
                for ((a, b), (at_a, at_b)) in a.iter().zip(b).zip(at_a.iter_mut().zip(at_b)) {
                    let step = if a > b { weight } else { -weight };
                    *at_a += step;
                    *at_b -= step;
                }
            }
            Self::RotatE => {
                let ((ar, ai), (br, bi)) = (halves(a), halves(b));
                let (half, other) = (at_a.len() / 2, at_b.len() / 2);
                let (Some((gar, gai)), Some((gbr, gbi))) =
                    (at_a.split_at_mut_checked(half), at_b.split_at_mut_checked(other))
                else {
                    return;
                };
                let places = ar.iter().zip(ai).zip(br.iter().zip(bi));
                let slopes = gar.iter_mut().zip(gai).zip(gbr.iter_mut().zip(gbi));
                for (((ar, ai), (br, bi)), ((gar, gai), (gbr, gbi))) in places.zip(slopes) {
                    let (real, imaginary) = (ar - br, ai - bi);
                    let scale = weight / modulus(real, imaginary);
                    *gar += scale * real;
                    *gai += scale * imaginary;
                    *gbr -= scale * real;
                    *gbi -= scale * imaginary;
                }
            }
        }
    }

    /// Where a relation brings a place: along it (`forth`), or against it.
    #[inline(always)]
    pub(super) fn moved(self, place: &[f32], relation: &[f32], forth: bool, to: &mut [f32]) {
        let sign = if forth { 1.0 } else { -1.0 };
        match self {
            Self::TransE => {
                to.iter_mut().zip(place.iter().zip(relation)).for_each(|(to, (x, r))| *to = x + sign * r);
            }
            Self::RotatE => {
                let (real, imaginary) = halves(place);
                let half = to.len() / 2;
                let Some((to_real, to_imaginary)) = to.split_at_mut_checked(half) else { return };
                let to = to_real.iter_mut().zip(to_imaginary);
                for (((a, b), angle), (to_real, to_imaginary)) in real.iter().zip(imaginary).zip(relation).zip(to) {
                    let (sin, cos) = (sign * angle).sin_cos();
                    (*to_real, *to_imaginary) = (a * cos - b * sin, a * sin + b * cos);
                }
            }
        }
    }

    /// Brings the slope at a moved place back to the place and to the relation.
    #[inline(always)]
    pub(super) fn back(
        self,
        moved: (&[f32], &[f32]),
        relation: &[f32],
        forth: bool,
        at_place: &mut [f32],
        at_relation: &mut [f32],
    ) {
        let sign = if forth { 1.0 } else { -1.0 };
        let (place, slope) = moved;
        match self {
            Self::TransE => {
                at_place.iter_mut().zip(slope).for_each(|(at, s)| *at += s);
                at_relation.iter_mut().zip(slope).for_each(|(at, s)| *at += sign * s);
            }
            Self::RotatE => {
                let ((real, imaginary), (slope_real, slope_imaginary)) = (halves(place), halves(slope));
                // A relation's angles turn the moved place along its own tangent.
                let tangent = real.iter().zip(imaginary).zip(slope_real.iter().zip(slope_imaginary));
                for (((a, b), (x, y)), at) in tangent.zip(at_relation) {
                    *at += sign * (a * y - b * x);
                }
                let mut turned = vec![0f32; slope.len()];
                self.moved(slope, relation, !forth, &mut turned);
                at_place.iter_mut().zip(&turned).for_each(|(at, s)| *at += s);
            }
        }
    }
}

#[inline(always)]
fn halves(place: &[f32]) -> (&[f32], &[f32]) {
    place.split_at_checked(place.len() / 2).unwrap_or((place, &[]))
}

/// Above 0, so that something can be divided by it.
#[inline(always)]
fn modulus(real: f32, imaginary: f32) -> f32 {
    (real * real + imaginary * imaginary + 1e-12).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: f32) -> Vec<f32> {
        (0..count).map(|i| ((i as f32 + 1.0) * seed).sin()).collect()
    }

    #[test]
    fn slopes_are_those_of_the_distance() {
        for geometry in [Geometry::TransE, Geometry::RotatE] {
            let dimensions = 11;
            let long = geometry.numbers(dimensions);
            let (h, r, t) = (numbers(long, 0.7), numbers(dimensions, 1.3), numbers(long, 2.1));
            for forth in [true, false] {
                let distance = |h: &[f32], r: &[f32], t: &[f32]| {
                    let mut moved = vec![0.0; long];
                    geometry.moved(h, r, forth, &mut moved);
                    geometry.distance(&moved, t)
                };
                let mut moved = vec![0.0; long];
                geometry.moved(&h, &r, forth, &mut moved);
                let (mut at_moved, mut at_t) = (vec![0.0; long], vec![0.0; long]);
                geometry.slope(&moved, &t, 1.0, &mut at_moved, &mut at_t);
                let (mut at_h, mut at_r) = (vec![0.0; long], vec![0.0; dimensions]);
                geometry.back((&moved, &at_moved), &r, forth, &mut at_h, &mut at_r);
                let check = |which: usize, slopes: &[f32]| {
                    for (i, slope) in slopes.iter().enumerate() {
                        let step = |by: f32| {
                            let mut all = [h.clone(), r.clone(), t.clone()];
                            all[which][i] += by;
                            distance(&all[0], &all[1], &all[2])
                        };
                        let measured = (step(1e-3) - step(-1e-3)) / 2e-3;
                        assert!(
                            (measured - f64::from(*slope)).abs() < 0.02,
                            "{geometry:?} {which} {i}: {measured} {slope}"
                        );
                    }
                };
                check(0, &at_h);
                check(1, &at_r);
                check(2, &at_t);
            }
        }
        assert_eq!(Geometry::TransE.distance(&[1.0], &[1.0, 2.0]), f64::INFINITY);
    }
}
