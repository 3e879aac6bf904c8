//! Axes: from values to places, with round numbers at the ticks.

/// Values of an axis, with the places of the first and the last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    step: f64,
}

/// About how many ticks an axis has.
const TICKS: f64 = 5.0;

impl Scale {
    /// Over these values, widened to round ones; those that are no numbers are passed over. `None` for none.
    pub(crate) fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Option<Self> {
        let finite = values.filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return None;
        }
        // One value gets room around it.
        let (low, high) = if high - low < 1e-12 { (low - 0.5, high + 0.5) } else { (low, high) };
        let step = round_step((high - low) / TICKS);
        Some(Self { low: (low / step).floor() * step, high: (high / step).ceil() * step, from, to, step })
    }

    pub(crate) fn place(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Places and labels of the ticks.
    pub(crate) fn ticks(&self) -> impl Iterator<Item = (f64, String)> + '_ {
        let count = ((self.high - self.low) / self.step).round() as usize;
        let digits = (-self.step.log10().floor()).max(0.0) as usize;
        (0..=count).map(move |tick| {
            let value = self.low + tick as f64 * self.step;
            (self.place(value), short(value, digits))
        })
    }
}

/// The next of 1, 2, 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| times * power >= step * 0.999).unwrap_or(10.0);
    times * power
}

/// A number with so many digits after the point, with thousands as k and millions as M.
pub(crate) fn short(value: f64, digits: usize) -> String {
    let size = value.abs();
    match size {
        _ if size >= 1e6 => format!("{}M", (value / 1e4).round() / 100.0),
        _ if size >= 1e4 => format!("{}k", (value / 10.0).round() / 100.0),
        _ => format!("{value:.digits$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        let scale = Scale::over([0.13, 0.87, f64::NAN].into_iter(), 0.0, 100.0).unwrap();
        let labels: Vec<String> = scale.ticks().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert!((scale.place(0.5) - 50.0).abs() < 1e-9);
        let one = Scale::over([3.0].into_iter(), 0.0, 1.0).unwrap();
        assert!((one.place(3.0) - 0.5).abs() < 1e-9);
        assert!(Scale::over(std::iter::empty(), 0.0, 1.0).is_none());
        assert_eq!(
            (short(1_250_000.0, 0), short(12_340.0, 0), short(7.0, 0)),
            ("1.25M".into(), "12.34k".into(), "7".into())
        );
    }
}
