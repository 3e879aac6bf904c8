//! What a model's steps have to hold before they are a plan: each in the request's words, none twice, none forgotten.

use std::collections::BTreeSet;

use qsef_core::Plan;

use super::{
    Analysis, Step,
    align::{Alignment, telling},
    refs,
};

/// Turns steps into a plan of the request, and says what had to be repaired.
pub(super) fn repair(request: &str, analysis: &Analysis, steps: Vec<Step>, examples: &[String]) -> (Plan, Vec<String>) {
    let mut alignment = Alignment::new(request, &analysis.places);
    let of_request = telling(request);
    let of_examples: BTreeSet<String> =
        examples.iter().flat_map(|e| telling(e)).filter(|t| !of_request.contains(t)).collect();
    // A step keeps its number, by which others name it.
    let leaked = |step: &Step| {
        let own = telling(&step.task);
        let strange = own.difference(&of_request).count();
        strange * 3 > own.len() && !own.is_disjoint(&of_examples)
    };
    let steps = steps
        .into_iter()
        .map(|mut step| {
            if leaked(&step) {
                alignment.repairs.push(format!("dropped a step that came from the prompt's examples: {}", step.task));
                step.task.clear();
            }
            step
        })
        .collect();
    let aligned = alignment.align(steps);
    if aligned.is_empty() {
        return (Plan::single(request.trim()), alignment.repairs);
    }
    (refs::chain(aligned, &analysis.places), alignment.repairs)
}
