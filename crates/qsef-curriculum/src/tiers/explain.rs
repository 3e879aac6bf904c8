//! A text in tiers: its sentences reworded for each reader, round after round until the tiers hold.

use qsef_core::Result;
use qsef_score::{complexity::Complexity, text::terms};

use super::{
    Outcome, Work,
    check::{hardness, longest},
    choose::{Choice, Wordings, ordered},
    write,
};
use crate::{
    facts::Facts,
    item::{Language, Step},
    sentences::{Unit, joined, units},
    settings::Tier,
};

/// Answers longer than so many passages are refused.
const MOST_PASSAGES: usize = 5;

/// A sentence of the source with what was made of it.
pub(super) struct Sentence {
    pub unit: Unit,
    pub facts: Facts,
    pub vector: Option<Vec<f32>>,
    /// By the place of the written tier.
    pub wordings: Vec<Wording>,
}

/// One tier's wording of a sentence.
#[derive(Debug, Clone, Default)]
pub(super) struct Wording {
    /// The one that holds.
    pub text: Option<String>,
    /// Why the last one that was offered does not hold, and what found that.
    pub fault: Option<(Step, String)>,
}

impl Sentence {
    /// How the tiers before this place put it.
    pub fn before(&self, place: usize) -> &str {
        let wordings = self.wordings.iter().take(place).rev();
        wordings.filter_map(|wording| wording.text.as_deref()).next().unwrap_or(&self.unit.text)
    }

    /// How the tier of this place puts it.
    pub fn at(&self, place: usize) -> &str {
        self.before(place + 1)
    }

    /// All wordings from hard to easy, the source's first.
    fn all(&self) -> Vec<String> {
        let texts = self.wordings.iter().filter_map(|wording| wording.text.as_ref());
        let mut rest: Vec<(f64, &String)> = texts.map(|text| (hardness(text), text)).collect();
        rest.sort_by(|a, b| b.0.total_cmp(&a.0));
        std::iter::once(&self.unit.text).chain(rest.into_iter().map(|(_, text)| text)).cloned().collect()
    }
}

/// A tier that the model writes: all but the source itself.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Its number in the settings.
    pub number: usize,
    pub tier: Tier,
}

/// A tier that was written.
pub(super) struct Written {
    /// Its number in the settings.
    pub tier: usize,
    pub text: String,
    pub complexity: Complexity,
    /// From the source.
    pub distance: f64,
    /// Sentences that stayed as in the source though they are too long for the tier's reader.
    pub kept: u32,
    pub sentences: u32,
    pub fault: Option<(Step, String)>,
    /// What was written first where some of it could not stay, and why: the worse of two answers.
    pub discarded: Option<(String, String)>,
}

impl Work<'_> {
    /// Writes the tiers of a text.
    pub(super) async fn explain(&mut self) -> Result<Outcome> {
        let count = qsef_score::text::words(&self.item.text).len();
        let most = self.settings.passage_words * MOST_PASSAGES;
        if count > most {
            let reason = format!("{count} words are too many for an answer; {most} are the most");
            return Ok(self.fails(Step::Input, reason));
        }
        let tiers = (0..).zip(&self.settings.tiers).filter(|(_, tier)| !tier.is_source());
        let targets: Vec<Target> = tiers.map(|(number, tier)| Target { number, tier: tier.clone() }).collect();
        let Some(mut sentences) = self.sentences(targets.len()).await? else {
            return Ok(self.fails(Step::Input, "it has no sentences to reword: code, tables or headings alone".into()));
        };
        if let Some(easiest) = targets.last().map(|target| &target.tier)
            && sentences
                .iter()
                .filter(|s| s.unit.is_prose)
                .all(|s| longest(&s.unit.text) <= write::sentence_words(easiest, self.item.language))
        {
            let reason = format!("it is at the level of the lowest tier, `{}`, already", easiest.name);
            return Ok(self.fails(Step::Tier, reason));
        }
        let mut discarded: Vec<Option<(String, String)>> = Vec::new();
        let mut analogy = None;
        let mut chosen = Vec::new();
        let mut open: Vec<usize> = (0..targets.len()).collect();
        for attempt in 0..=self.settings.attempts {
            let mut fresh = Vec::new();
            let mut offers = Vec::new();
            for (place, target) in targets.iter().enumerate().filter(|(place, _)| open.contains(place)) {
                let offered = self.reword(attempt, place, target, &mut sentences).await?;
                let taken = |(nth, s): (usize, &Sentence)| {
                    let text = s.wordings.get(place)?.text.as_ref()?;
                    (offered.get(nth)?.as_ref()? == text).then_some((nth, place))
                };
                fresh.extend(sentences.iter().enumerate().filter_map(taken));
                offers.push(offered);
            }
            if self.settings.judge {
                self.judge(&fresh, &mut sentences).await?;
            }
            if attempt == 0 {
                let worse = offers.iter().enumerate().map(|(place, offered)| self.worse(place, offered, &sentences));
                discarded = worse.collect();
                analogy = self.analogy_of(&targets, &sentences).await?;
            }
            chosen = self.choice(&targets, &sentences, analogy.as_deref());
            // Written again is what is no tier yet, and what is hardly one.
            open = (0..targets.len())
                .filter(|place| {
                    let choice = chosen.get(place + 1).and_then(Option::as_ref);
                    let share = |choice: &Choice| {
                        self.kept(&targets, *place, &choice.sentences, &sentences) / sentences.len() as f64
                    };
                    choice.is_none_or(|choice| share(choice) > self.settings.most_kept / 2.0)
                })
                .collect();
            if open.is_empty() {
                break;
            }
        }
        let found = self.checked(&targets, chosen, &sentences, discarded, analogy.is_some()).await?;
        if found.iter().any(|of| of.fault.is_none()) && self.item.prompt.is_empty() {
            self.item.prompt = vec![crate::item::Turn::user(self.question().await?)];
        }
        self.outcome(found).await
    }

    /// The sentences of the source with their facts and vectors; `None` where there is no prose.
    async fn sentences(&mut self, tiers: usize) -> Result<Option<Vec<Sentence>>> {
        let units = units(&self.item.text);
        if !units.iter().any(|unit| unit.is_prose) {
            return Ok(None);
        }
        let vectors = self.vectors(units.iter().map(|unit| unit.text.clone()).collect()).await?;
        let mut vectors = vectors.unwrap_or_default().into_iter();
        let sentence = |unit: Unit| Sentence {
            facts: Facts::within(&unit.text, &self.context, self.item.language),
            vector: vectors.next(),
            wordings: vec![Wording::default(); tiers],
            unit,
        };
        Ok(Some(units.into_iter().map(sentence).collect()))
    }

    /// What was offered for a tier where some of it does not hold, and why.
    fn worse(&self, place: usize, offered: &[Option<String>], sentences: &[Sentence]) -> Option<(String, String)> {
        let reasons = reasons(place, sentences);
        let texts: Vec<&str> =
            offered.iter().zip(sentences).map(|(text, s)| text.as_deref().unwrap_or(s.at(place))).collect();
        (!reasons.is_empty()).then(|| (self.joined(sentences, &texts), reasons))
    }

    /// The comparison that ends the tiers that want one, made for the easiest of them.
    async fn analogy_of(&mut self, targets: &[Target], sentences: &[Sentence]) -> Result<Option<String>> {
        let Some(place) = targets.iter().rposition(|target| target.tier.analogy) else { return Ok(None) };
        let texts: Vec<&str> = sentences.iter().map(|s| s.at(place)).collect();
        self.analogy(&self.joined(sentences, &texts)).await
    }

    /// The tiers in order: the source, then for each target a text, or `None` where there is none that is easier.
    fn choice(&self, targets: &[Target], sentences: &[Sentence], analogy: Option<&str>) -> Vec<Option<Choice>> {
        let pools: Vec<Vec<String>> = sentences.iter().map(Sentence::all).collect();
        let own = |place: usize| sentences.iter().map(|s| s.before(place).to_owned()).collect();
        let drafts: Vec<Vec<String>> = (0..=targets.len()).map(own).collect();
        let assemble = |number: usize, texts: &[String]| {
            let text = self.joined(sentences, texts);
            let ends = number.checked_sub(1).and_then(|place| targets.get(place)).is_some_and(|t| t.tier.analogy);
            match (analogy.filter(|_| ends), self.item.language) {
                (Some(analogy), Language::En) => format!("{text} {analogy}"),
                (Some(analogy), Language::Zh) => format!("{text}{analogy}"),
                (None, _) => text,
            }
        };
        let suits = |number: usize, texts: &[String]| {
            let kept = number.checked_sub(1).map_or(0.0, |place| self.kept(targets, place, texts, sentences));
            kept <= self.settings.most_kept * sentences.len() as f64
        };
        let least_step = self.settings.least_step;
        ordered(&Wordings { drafts, pools, least_step, assemble: &assemble, suits: &suits })
    }

    /// Sentences of a tier that stayed as in the source though they are too long for its reader.
    fn kept(&self, targets: &[Target], place: usize, texts: &[String], sentences: &[Sentence]) -> f64 {
        let Some(target) = targets.get(place) else { return 0.0 };
        let most = write::sentence_words(&target.tier, self.item.language) * 3 / 2;
        let is_kept = |(now, s): &(&String, &Sentence)| **now == s.unit.text && longest(now) > most;
        texts.iter().zip(sentences).filter(is_kept).count() as f64
    }

    /// Each tier with what is wrong with it, the source first where it is a tier.
    async fn checked(
        &mut self,
        targets: &[Target],
        chosen: Vec<Option<Choice>>,
        sentences: &[Sentence],
        discarded: Vec<Option<(String, String)>>,
        has_analogy: bool,
    ) -> Result<Vec<Written>> {
        let count = sentences.len() as u32;
        let mut chosen = chosen.into_iter();
        let first = chosen.next().flatten();
        let texts: Vec<String> =
            std::iter::once(self.item.text.clone()).chain(chosen.clone().flatten().map(|c| c.text)).collect();
        let mut vectors = self.vectors(texts).await?.unwrap_or_default().into_iter();
        let of_source = vectors.next();
        let mut found = Vec::new();
        let written = |tier, text, complexity| Written {
            tier,
            text,
            complexity,
            distance: 0.0,
            kept: 0,
            sentences: count,
            fault: None,
            discarded: None,
        };
        if let Some(first) = first.filter(|_| self.settings.tiers.first().is_some_and(Tier::is_source)) {
            // As it stands, white space and all.
            found.push(written(0, self.item.text.trim().to_owned(), first.complexity));
        }
        for (place, ((target, choice), discarded)) in targets.iter().zip(chosen).zip(discarded).enumerate() {
            let because = reasons(place, sentences);
            let Some(choice) = choice else {
                let because = if because.is_empty() { because } else { format!(" ({because})") };
                let reason = format!(
                    "no wording was found that is less complex than the tier before and says the same{because}"
                );
                let text = discarded.map_or_else(String::new, |(text, _)| text);
                let fault = Some((step(place, sentences), reason));
                found.push(Written { fault, ..written(target.number, text, Complexity::default()) });
                continue;
            };
            let distance = match (&of_source, vectors.next()) {
                (Some(a), Some(b)) => self.distance(a, &b),
                _ => word_distance(&self.item.text, &choice.text),
            };
            let kept = self.kept(targets, place, &choice.sentences, sentences);
            let most = self.settings.most_distance;
            let fault = if distance > most {
                let reason =
                    format!("its meaning is too far from the source's: distance {distance:.2}, at most {most:.2}");
                Some((Step::Tier, reason))
            } else if kept > self.settings.most_kept * f64::from(count) {
                let reason = format!("{kept} of {count} sentences could not be reworded: {because}");
                Some((step(place, sentences), reason))
            } else if target.tier.analogy && !has_analogy {
                Some((Step::Tier, "no analogy was found that is short and adds no facts".into()))
            } else {
                None
            };
            let kept = kept as u32;
            found.push(Written {
                distance,
                kept,
                fault,
                discarded,
                ..written(target.number, choice.text, choice.complexity)
            });
        }
        Ok(found)
    }

    pub(super) fn joined(&self, sentences: &[Sentence], texts: &[impl AsRef<str>]) -> String {
        joined(texts.iter().map(AsRef::as_ref).zip(sentences.iter().map(|s| s.unit.joint.as_str())))
    }
}

/// The faults of a tier's wordings.
fn faults(place: usize, sentences: &[Sentence]) -> impl Iterator<Item = &(Step, String)> {
    sentences.iter().filter_map(move |s| s.wordings.get(place)?.fault.as_ref())
}

/// The first faults, in a line.
fn reasons(place: usize, sentences: &[Sentence]) -> String {
    faults(place, sentences).map(|(_, reason)| reason.as_str()).take(3).collect::<Vec<_>>().join("; ")
}

/// What a tier failed at: at the judge where that found most of its faults.
fn step(place: usize, sentences: &[Sentence]) -> Step {
    let (all, judged) = faults(place, sentences)
        .fold((0, 0), |(all, judged), (step, _)| (all + 1, judged + usize::from(*step == Step::Judge)));
    if judged * 2 > all { Step::Judge } else { Step::Tier }
}

/// Without an embedder: half the share of the source's words that the other lacks.
fn word_distance(source: &str, other: &str) -> f64 {
    let (source, other) = (terms(source), terms(other));
    let shared = source.intersection(&other).count() as f64;
    if source.is_empty() { 0.0 } else { (1.0 - shared / source.len() as f64) / 4.0 }
}
