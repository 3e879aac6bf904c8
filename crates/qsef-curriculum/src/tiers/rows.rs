//! Rows, pairs and figures of tiers that were written.

use qsef_core::Result;

use super::{Outcome, Work, check::plain, estimate_tokens, explain::Written};
use crate::{
    item::{Language, Pair, Rejected, Row, Turn},
    measure::{Offer, frontier, suiting},
    output::TierPoint,
    settings::Tier,
};

impl Work<'_> {
    /// The prompt of a tier's row.
    fn prompt(&self, tier: &Tier) -> Vec<Turn> {
        let mut prompt = self.item.prompt.clone();
        let audience = tier.audience(self.item.language);
        let order = match self.item.language {
            Language::En => format!("\n\nExplain it for {audience}."),
            Language::Zh => format!("\n\n请讲给{audience}听。"),
        };
        if let Some(last) = prompt.last_mut() {
            last.content.push_str(&order);
        }
        prompt
    }

    /// Rows, pairs and figures of what was written.
    pub(super) async fn outcome(&mut self, found: Vec<Written>) -> Result<Outcome> {
        let good: Vec<&Written> = found.iter().filter(|of| of.fault.is_none()).collect();
        let tokens = |text: &str| estimate_tokens(text, self.item.language);
        let measured: Vec<_> =
            good.iter().map(|of| self.tools.ruler.measure(&of.text, &of.complexity, of.distance)).collect();
        let offers: Vec<Offer> = good
            .iter()
            .zip(&measured)
            .map(|(of, m)| Offer { richness: 1.0 - of.distance, te: m.te, tokens: tokens(&of.text) })
            .collect();
        let (on, suits) = (frontier(&offers), suiting(&offers, self.settings.student.goal_te));
        let mut rows = Vec::new();
        for (place, (((of, measured), offer), frontier)) in good.iter().zip(&measured).zip(&offers).zip(on).enumerate()
        {
            let Some(tier) = self.settings.tiers.get(of.tier) else { continue };
            let mut messages = self.prompt(tier);
            messages.push(Turn::assistant(of.text.clone()));
            rows.push(Row {
                id: format!("{}/{}", self.item.id, tier.name),
                item: self.item.id.clone(),
                tier: tier.name.clone(),
                level: self.settings.level(of.tier),
                stage: tier.stage,
                messages,
                language: self.item.language,
                kind: self.item.kind,
                origin: self.item.origin.clone(),
                complexity: of.complexity.overall(),
                resistance: measured.resistance,
                distance: of.distance,
                te: measured.te,
                richness: offer.richness,
                difficulty: -measured.te.ln(),
                weight: 1.0,
                tokens: offer.tokens,
                frontier,
                suits: suits == Some(place),
            });
        }
        let mut points = Vec::new();
        for of in found.iter().filter(|of| !of.text.is_empty() && of.complexity.overall() > 0.0) {
            let Some(tier) = self.settings.tiers.get(of.tier) else { continue };
            let row = rows.iter().find(|row| row.tier == tier.name);
            let measured = self.tools.ruler.measure(&of.text, &of.complexity, of.distance);
            points.push(TierPoint {
                name: tier.name.clone(),
                complexity: of.complexity.overall(),
                parts: of.complexity.values().to_vec(),
                distance: of.distance,
                resistance: measured.resistance,
                te: measured.te,
                richness: 1.0 - of.distance,
                tokens: tokens(&of.text),
                frontier: row.is_some_and(|row| row.frontier),
                suits: row.is_some_and(|row| row.suits),
                kept: of.kept,
                sentences: of.sentences,
            });
        }
        let (mut pairs, mut rejected) = (Vec::new(), Vec::new());
        for of in &found {
            let Some(tier) = self.settings.tiers.get(of.tier) else { continue };
            if let Some((step, reason)) = &of.fault {
                let mut left = Rejected::item(&self.item, *step, reason.clone());
                left.tier = Some(tier.name.clone());
                left.text = Some(of.text.clone()).filter(|text| !text.is_empty());
                rejected.push(left);
            } else if let Some((text, reason)) =
                of.discarded.as_ref().filter(|(text, _)| plain(text) != plain(&of.text))
            {
                pairs.push(Pair {
                    id: format!("{}/{}/1", self.item.id, tier.name),
                    prompt: self.prompt(tier),
                    chosen: vec![Turn::assistant(of.text.clone())],
                    rejected: vec![Turn::assistant(text.clone())],
                    reason: reason.clone(),
                });
            }
        }
        let teacher = self.teacher(&rows).await?;
        let all = found.len() == self.settings.tiers.len() && good.len() == found.len();
        let strictly =
            all && good.iter().zip(good.iter().skip(1)).all(|(a, b)| b.complexity.overall() < a.complexity.overall());
        let info = self.info(all, strictly, points);
        Ok(Outcome { rows, pairs, rejected, teacher, info, steps: self.steps.clone() })
    }
}
