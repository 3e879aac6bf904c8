use serde::Serialize;

use crate::{loss::Settings, sample::Sampling};

/// How a student is trained, by a name: `none` (the task alone), `kd` (and the teacher's soft predictions), `qsef-kd` (and alignment of
/// hidden states, the resistance loss, dynamic sampling and simpler variants: the paper's section 6.3), then parts that are switched on and off,
/// each perhaps with its weight: `kd+align`, `qsef-kd-resistance+semantic`, `kd+align=2+temperature=4`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mode {
    /// Its name.
    pub name: String,
    /// Its loss.
    pub loss: Settings,
    /// How texts are chosen.
    pub sampling: Sampling,
    /// How often a simpler variant stands in for its text.
    pub augment: f64,
}

const FEATURES: [&str; 13] = [
    "align",
    "augment",
    "dynamic",
    "kd",
    "maps",
    "progressive",
    "random-paced",
    "resistance",
    "reverse",
    "semantic",
    "staged",
    "task",
    "temperature",
];

impl Mode {
    /// Reads a name; `weights` are what terms weigh that are on, `share` how often variants are used.
    ///
    /// # Errors
    /// What is wrong, in a line.
    pub fn parse(name: &str, weights: &Settings, share: f64) -> Result<Self, String> {
        let off = Settings { kd: 0.0, align: 0.0, maps: 0.0, semantic: 0.0, resistance: 0.0, ..weights.clone() };
        let mut mode = Self { name: name.to_owned(), loss: off, sampling: Sampling::Uniform, augment: 0.0 };
        let bases: [(&str, &[&str]); 3] =
            [("qsef-kd", &["kd", "align", "resistance", "dynamic", "augment"]), ("kd", &["kd"]), ("none", &[])];
        let base = bases.into_iter().find_map(|(base, on)| Some((name.strip_prefix(base)?, on)));
        let Some((mut rest, on)) = base else {
            return Err(format!("`{name}` is no mode: it begins with none, kd or qsef-kd"));
        };
        for feature in on {
            mode.switch(feature, true, None, weights, share)?;
        }
        while !rest.is_empty() {
            let (on, after) = match (rest.strip_prefix('+'), rest.strip_prefix('-')) {
                (Some(after), _) => (true, after),
                (_, Some(after)) => (false, after),
                _ => return Err(format!("`{name}`: parts begin with + or -, not `{rest}`")),
            };
            let Some((feature, after)) = FEATURES.iter().find_map(|f| Some((*f, after.strip_prefix(f)?))) else {
                return Err(format!("`{name}`: there is no part `{after}`; there are {}", FEATURES.join(", ")));
            };
            let (value, after) = match after.strip_prefix('=') {
                None => (None, after),
                Some(after) => {
                    let end = after.find(['+', '-']).unwrap_or(after.len());
                    let (number, after) = after.split_at(end);
                    let value: f64 = number.parse().map_err(|_| format!("`{name}`: `{number}` is no number"))?;
                    if !value.is_finite() || value < 0.0 {
                        return Err(format!("`{name}`: {value} must be a number of at least 0"));
                    }
                    (Some(value), after)
                }
            };
            rest = after;
            if value.is_some() && (!on || feature.parse::<Sampling>().is_ok()) {
                return Err(format!(
                    "`{name}`: only a term that is switched on has a weight, `{feature}` has none here"
                ));
            }
            mode.switch(feature, on, value, weights, share)?;
        }
        let loss = &mode.loss;
        let terms = [loss.task, loss.kd, loss.align, loss.maps, loss.semantic, loss.resistance];
        if terms.iter().all(|weight| *weight == 0.0) {
            return Err(format!("`{name}` leaves nothing to learn from"));
        }
        if !(mode.loss.temperature.is_finite() && mode.loss.temperature > 0.0) {
            return Err(format!("`{name}`: the temperature must be above 0"));
        }
        if mode.loss.align > 0.0 && mode.loss.tokens && mode.loss.layers.is_empty() {
            return Err(format!(
                "`{name}` compares the states of tokens, for which `layers` in [loss] has to name layers, such as [[1, 3]]"
            ));
        }
        if mode.loss.maps > 0.0 && mode.loss.layers_with_maps().next().is_none() {
            return Err(format!(
                "`{name}` compares attention maps, for which `layers` in [loss] has to name layers from 1 on, such as [[1, 3]]"
            ));
        }
        Ok(mode)
    }

    fn switch(
        &mut self,
        feature: &str,
        on: bool,
        value: Option<f64>,
        weights: &Settings,
        share: f64,
    ) -> Result<(), String> {
        let weight = |of: f64| if on { value.unwrap_or(of) } else { 0.0 };
        match feature {
            "task" => self.loss.task = weight(weights.task),
            "kd" => self.loss.kd = weight(weights.kd),
            "align" => self.loss.align = weight(weights.align),
            "maps" => self.loss.maps = weight(weights.maps),
            "semantic" => self.loss.semantic = weight(weights.semantic),
            "resistance" => self.loss.resistance = weight(weights.resistance),
            "temperature" => self.loss.temperature = weight(weights.temperature),
            "augment" => {
                self.augment = weight(share);
                if self.augment > 1.0 {
                    return Err(format!("`{}`: a share of {} is above 1", self.name, self.augment));
                }
            }
            name => {
                let kind = name.parse().map_err(|e| format!("`{}`: {e}", self.name))?;
                self.sampling = match (on, self.sampling == kind) {
                    (true, _) => kind,
                    (false, true) => Sampling::Uniform,
                    (false, false) => self.sampling,
                };
            }
        }
        Ok(())
    }
}
