//! `report.html`: the figures of a job on one page.

use std::collections::BTreeMap;

use qsef_core::Result;
use qsef_report::{Axis, Bars, Mark, Page, Plot, Point, Series, Spread};
use qsef_score::complexity::Complexity;

use super::{
    Content, ItemInfo, TierPoint,
    counts::{median, points},
};
use crate::item::{Rejected, Step};

/// One of a point's figures.
type Figure = fn(&TierPoint) -> f64;

/// The most rows of a table, of items and of what was left out.
const MOST: usize = 200;

/// About the most items of a plot.
const PLOTTED: usize = 1_000;

/// The most kinds of reasons that have a bar.
const REASONS: usize = 12;

pub(super) fn page(content: &Content<'_>) -> Result<String> {
    let mut page = Page::new("Curriculum");
    headline(&mut page, content);
    tiers(&mut page, content);
    trade_off(&mut page, content);
    parts(&mut page, content);
    acceptance(&mut page, content);
    cost(&mut page, content);
    items(&mut page, content);
    left_out(&mut page, content)?;
    Ok(page.html())
}

fn real(value: f64) -> String {
    format!("{value:.3}")
}

fn share(part: usize, of: usize) -> String {
    format!("{:.1}%", 100.0 * part as f64 / of.max(1) as f64)
}

fn headline(page: &mut Page, content: &Content<'_>) {
    let (summary, collected) = (&content.summary, content.collected);
    let cost = &collected.cost;
    let ordered = format!("{:.1}%", 100.0 * summary.strictly_ordered);
    let figures = [
        ("items", summary.items.to_string()),
        ("accepted", summary.accepted.to_string()),
        ("rejected", summary.rejected.to_string()),
        ("rows", summary.tiers.to_string()),
        ("items whose tiers are strictly ordered by complexity", ordered),
        ("preference pairs", collected.pairs.len().to_string()),
        ("rows with a teacher's tokens", collected.teacher.len().to_string()),
        ("requests", cost.requests.to_string()),
        ("tokens", (cost.prompt_tokens + cost.completion_tokens).to_string()),
        ("USD", format!("{:.4}", summary.usd)),
    ];
    page.table(&["", ""], figures.map(|(name, figure)| vec![name.to_owned(), figure]));
}

fn tiers(page: &mut Page, content: &Content<'_>) {
    let (job, collected) = (content.job, content.collected);
    page.heading("Tiers");
    page.table(
        &["tier", "level", "stage", "for", "written", "rows", "frontier", "suits", "C_data", "distance", "TE"],
        job.tiers.iter().map(|tier| {
            let all = || points(&collected.items, &tier.name);
            let middle = |of: Figure| median(all().map(of)).map_or("–".into(), real);
            vec![
                tier.name.clone(),
                tier.level.to_string(),
                tier.stage.to_string(),
                tier.audience.clone(),
                all().count().to_string(),
                collected.tally.of_tier(&tier.name).to_string(),
                all().filter(|point| point.frontier).count().to_string(),
                all().filter(|point| point.suits).count().to_string(),
                middle(|point| point.complexity),
                middle(|point| point.distance),
                middle(|point| point.te),
            ]
        }),
    );
    page.text("C_data, distance and TE are medians of all written tiers, accepted or not; so are the plots.");
    let figures: [(&str, Figure); 4] = [
        ("Complexity C_data", |point| point.complexity),
        ("Resistance R", |point| point.resistance),
        ("Transmission efficiency TE", |point| point.te),
        ("Semantic distance D from the source", |point| point.distance),
    ];
    for (title, of) in figures {
        let mut spread = Spread::new(title);
        for tier in job.tiers {
            spread.add(&tier.name, points(&collected.items, &tier.name).map(of));
        }
        page.spread(&spread);
    }
}

/// A plot of items with a series for each tier.
fn by_tier(
    content: &Content<'_>,
    title: &str,
    axes: [Axis; 2],
    place: impl Fn(&ItemInfo, &TierPoint) -> Option<(f64, f64)>,
) -> Plot {
    let (items, [x, y]) = (&content.collected.items, axes);
    // Points that are strong are drawn however many there are.
    let each = items.len().div_ceil(PLOTTED).max(1);
    let mut plot = Plot::new(title, x, y);
    for tier in content.job.tiers {
        let items = items.iter().step_by(each);
        let of_tier = items.flat_map(|item| item.tiers.iter().filter(|p| p.name == tier.name).map(move |p| (item, p)));
        let points = of_tier.filter_map(|(item, point)| {
            let (x, y) = place(item, point)?;
            Some(Point::new(x, y).titled(format!("{}/{}", item.id, point.name)).strong(point.frontier))
        });
        plot.add(Series::new(&tier.name, Mark::Points, points.collect()));
    }
    plot
}

fn trade_off(page: &mut Page, content: &Content<'_>) {
    page.heading("What simplification costs");
    page.text(
        "Points with an edge are on the frontier: no other tier of their item keeps as much, passes as well and costs as little.",
    );
    if content.collected.items.len() > PLOTTED {
        page.text(&format!("About {PLOTTED} of the items are drawn, evenly spaced."));
    }
    let axes = |x: &str, y: &str| [Axis::named(x), Axis::named(y)];
    let fall = axes("fall of C_data against the first tier", "distance from the source");
    page.plot(&by_tier(content, "Distance by simplification", fall, |item, point| {
        let first = item.tiers.first().filter(|first| first.name != point.name)?;
        Some((first.complexity - point.complexity, point.distance))
    }));
    let richness = axes("richness kept, 1 − D", "TE");
    page.plot(&by_tier(content, "Richness and efficiency", richness, |_, point| Some((point.richness, point.te))));
    let tokens = axes("tokens", "TE");
    page.plot(&by_tier(content, "Tokens and efficiency", tokens, |_, point| Some((point.tokens as f64, point.te))));
}

fn parts(page: &mut Page, content: &Content<'_>) {
    let job = content.job;
    page.heading("Parts of C_data").text("Means of all written tiers; those without a weight are left out.");
    let mut head = vec!["part", "weight"];
    head.extend(job.tiers.iter().map(|tier| tier.name.as_str()));
    let parts = Complexity::NAMES.iter().zip(Complexity::WEIGHTS).enumerate();
    let rows = parts.filter(|(_, (_, weight))| *weight > 0.0).map(|(place, (name, weight))| {
        let mut row = vec![name.replace('_', " "), real(weight)];
        row.extend(job.tiers.iter().map(|tier| {
            let values = points(&content.collected.items, &tier.name).filter_map(|point| point.parts.get(place));
            let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
            if count == 0 { "–".into() } else { real(sum / count as f64) }
        }));
        row
    });
    page.table(&head, rows);
}

fn acceptance(page: &mut Page, content: &Content<'_>) {
    page.heading("Acceptance");
    let (summary, items) = (&content.summary, content.summary.items);
    let mut bars = Bars::new("Items");
    for (name, count) in [("accepted", summary.accepted), ("rejected", summary.rejected)] {
        bars.add_told(name, count as f64, format!("{count}, {}", share(count, items)));
    }
    page.bars(&bars);
    let kinds = &content.collected.tally.left_out;
    let mut steps = Bars::new("What was left out, by step");
    let mut by_step: BTreeMap<&str, usize> = BTreeMap::new();
    for ((step, _), count) in kinds {
        *by_step.entry(step.name()).or_default() += count;
    }
    for (step, count) in by_step {
        steps.add(step, count as f64);
    }
    page.bars(&steps);
    let mut kinds: Vec<(&(Step, String), &usize)> = kinds.iter().collect();
    kinds.sort_by(|(a, many), (b, few)| few.cmp(many).then_with(|| a.cmp(b)));
    let mut reasons = Bars::new("What was left out, by reason");
    for (number, (_, count)) in kinds.iter().take(REASONS).enumerate() {
        reasons.add(format!("reason {}", number + 1), **count as f64);
    }
    page.bars(&reasons);
    if kinds.is_empty() {
        return;
    }
    let rows = kinds.into_iter().enumerate().map(|(number, ((step, kind), count))| {
        vec![format!("reason {}", number + 1), step.name().to_owned(), kind.clone(), count.to_string()]
    });
    page.table(&["", "step", "reason", "count"], rows);
}

fn cost(page: &mut Page, content: &Content<'_>) {
    let cost = &content.collected.cost;
    page.heading("Cost");
    let mut bars = Bars::new("Tokens");
    bars.add("of prompts", cost.prompt_tokens as f64).add("of answers", cost.completion_tokens as f64);
    page.bars(&bars);
    let mut steps = Bars::new("Tokens by step");
    for step in &cost.steps {
        steps.add(&step.name, (step.prompt_tokens + step.completion_tokens) as f64);
    }
    page.bars(&steps);
    let accepted = content.summary.accepted.max(1) as f64;
    let tokens = (cost.prompt_tokens + cost.completion_tokens) as f64;
    page.table(
        &["", "of all", "of an accepted item"],
        [
            vec!["requests".into(), cost.requests.to_string(), format!("{:.1}", cost.requests as f64 / accepted)],
            vec!["tokens".into(), format!("{tokens:.0}"), format!("{:.0}", tokens / accepted)],
            vec!["USD".into(), format!("{:.4}", cost.usd), format!("{:.6}", cost.usd / accepted)],
        ],
    );
}

fn items(page: &mut Page, content: &Content<'_>) {
    let all = &content.collected.items;
    let shown = format!("{} of {}. Kept: sentences that stayed as in the source.", all.len().min(MOST), all.len());
    page.heading("Items").text(&shown);
    let of_item = ["item", "", "ordered", "attempts", "requests", "tokens"];
    let head: Vec<&str> = of_item.into_iter().chain(["tier", "C_data", "distance", "TE", "kept"]).collect();
    let rows = all.iter().take(MOST).flat_map(|item| {
        let figures = [
            item.id.clone(),
            if item.accepted { "accepted".into() } else { "rejected".into() },
            if item.strictly_ordered { "yes".into() } else { "no".into() },
            item.attempts.to_string(),
            item.requests.to_string(),
            (item.prompt_tokens + item.completion_tokens).to_string(),
        ];
        let none = || vec![String::new(); of_item.len()];
        let mut tiers = item.tiers.iter().map(|point| {
            let kept = format!("{}/{}", point.kept, point.sentences);
            vec![point.name.clone(), real(point.complexity), real(point.distance), real(point.te), kept]
        });
        // The item's figures stand beside its first tier.
        let first = figures.into_iter().chain(tiers.next().unwrap_or_default()).collect();
        let rest: Vec<Vec<String>> = tiers.map(|tier| none().into_iter().chain(tier).collect()).collect();
        std::iter::once(first).chain(rest)
    });
    page.table(&head, rows);
}

fn left_out(page: &mut Page, content: &Content<'_>) -> Result<()> {
    let all = &content.collected.rejected;
    if all.is_empty() {
        return Ok(());
    }
    page.heading("Left out").text(&format!("{} of {}; the rest is in rejected.jsonl.", all.len().min(MOST), all.len()));
    let row = |left: Rejected| {
        let place = format!("{}{}", left.origin.source, left.origin.place);
        vec![left.item, left.tier.unwrap_or_default(), left.step.name().into(), left.reason, place]
    };
    let rows: Vec<Vec<String>> = all.iter().take(MOST).map(|left| left.map(row)).collect::<Result<_>>()?;
    page.table(&["item", "tier", "step", "reason", "from"], rows);
    Ok(())
}
