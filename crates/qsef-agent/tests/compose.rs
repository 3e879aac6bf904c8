//! One text of several outputs: what it says is tied to subtasks and checked, and what does not hold stays as it is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are test code

mod support;

use std::sync::{Arc, Mutex};

use qsef_agent::{
    Hub, Ledger, Registry, RunOptions, RunReport,
    run::{Action, Claim, Step, replay},
};
use qsef_core::{
    AnyEmbedder, AnyExpert, AnyModel, Budget, Event, EventSink, Format, Payload,
    test_util::{LetterEmbedder, ScriptedModel},
};
use serde_json::json;
use support::expert;

const REQUEST: &str = "paint work now; count work of it";

/// A hub of two experts with these outputs, whose model writes these claims; the model, and the warnings of its runs.
struct Case {
    hub: Hub,
    model: ScriptedModel,
    options: RunOptions,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Case {
    async fn new(outputs: [Payload; 2], claims: &[(&str, &[usize])]) -> Self {
        let claims: Vec<_> = claims.iter().map(|(text, from)| json!({"text": text, "from": from})).collect();
        let (text, plan) = (
            json!({"claims": claims}).to_string(),
            json!({"steps": [{"task": "paint work now", "uses": []}, {"task": "count work of it", "uses": [1]}]}),
        );
        let model = ScriptedModel::new(move |request| {
            let last = request.messages.last().unwrap().as_text().unwrap();
            Ok(if last.contains("\"results\"") { text.clone() } else { plan.to_string() })
        });
        let [first, second] = outputs;
        let says = |id: &str, payload: Payload| {
            expert(id, move |_| {
                let payload = payload.clone();
                async move { Ok(payload.into()) }
            })
        };
        let experts = [says("paint", first), says("count", second)].map(AnyExpert::new);
        let registry = Registry::new(AnyEmbedder::new(LetterEmbedder), experts.into(), None).await.unwrap();
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let told = warnings.clone();
        let mut options = RunOptions::default();
        options.compose = true;
        options.events = EventSink::new(move |event| {
            if let Event::Warning { message } = event {
                told.lock().unwrap().push(message);
            }
        });
        Self { hub: Hub::new(AnyModel::new(model.clone()), registry), model, options, warnings }
    }

    async fn run(&self) -> RunReport {
        self.hub.run(REQUEST, self.options.clone()).await.unwrap()
    }

    /// Calls of the model besides the one that plans.
    fn calls(&self) -> usize {
        self.model.requests().len() - 1
    }
}

fn prose() -> [Payload; 2] {
    [Payload::text("The wall of Ann is 36 m long."), Payload::string("12 cans", Format::Number)]
}

const GOOD: &[(&str, &[usize])] =
    &[("The wall of Ann is 36 m long.", &[1]), ("It is painted with 12 cans, by count of work.", &[2])];

const JOINED: &str = "**paint work now**\n\nThe wall of Ann is 36 m long.\n\n**count work of it**\n\n12 cans";

#[tokio::test]
async fn each_claim_names_its_subtasks_and_is_billed_and_stored() {
    let mut case = Case::new(prose(), GOOD).await;
    let ledger = Ledger::in_memory().unwrap();
    case.hub = case.hub.with_ledger(Ok(ledger.clone()));
    let report = case.run().await;
    assert_eq!(report.answer, "The wall of Ann is 36 m long. It is painted with 12 cans, by count of work.");
    let claims: Vec<Claim> =
        GOOD.iter().map(|(text, from)| Claim { text: (*text).into(), subtasks: from.to_vec() }).collect();
    assert_eq!((report.claims, case.calls()), (claims.clone(), 1));
    let asked: u64 = case.model.requests().iter().map(|r| r.messages.len() as u64).sum();
    assert!(report.usage.prompt_tokens > asked && report.by_model["scripted"] == report.usage);
    let steps: Vec<Step> = ledger.steps_of(&report.trace_id).unwrap().into_iter().map(|(_, step)| step).collect();
    let run = replay(steps.clone()).unwrap();
    assert!(run.next().is_empty() && run.composition.unwrap().claims == claims);
    // Killed before it was stored: it is written again, and nothing else is done again.
    let cut = replay(steps[..steps.len() - 1].iter().cloned()).unwrap();
    assert_eq!(cut.next(), [Action::Compose]);
    // Once it is stored, it is paid.
    let again = case.hub.resume(&report.trace_id, Default::default(), RunOptions::default()).await.unwrap();
    assert_eq!((again.answer, again.claims.len(), case.calls()), (report.answer, 2, 1));
}

#[tokio::test]
async fn what_the_outputs_do_not_bear_out_is_joined_as_it_is() {
    for wrong in [
        &[("The wall of Ann is 37 m long.", &[1][..]), GOOD[1]][..],
        &[("The wall of Bob is 36 m long.", &[1]), GOOD[1]],
        &[("The wall of Ann is not 36 m long.", &[1]), GOOD[1]],
        &[("The wall of Ann is 36 m long.", &[7]), GOOD[1]],
        &[GOOD[0]],
        &[],
    ] {
        let case = Case::new(prose(), wrong).await;
        let report = case.run().await;
        assert_eq!((report.answer.as_str(), report.claims.len()), (JOINED, 0), "{wrong:?}");
        assert!(report.succeeded());
        assert_eq!(case.warnings.lock().unwrap().len(), 1, "{wrong:?}: {:?}", case.warnings);
    }
}

#[tokio::test]
async fn no_call_is_made_where_there_is_nothing_to_compose() {
    // Code is not told, and one value is the answer as it is.
    let code = [Payload::string("fn main() {}", Format::Code("rust".into())), Payload::text("12 cans")];
    let case = Case::new(code, GOOD).await;
    let report = case.run().await;
    assert!(report.answer.contains("```rust\nfn main() {}") && report.answer.ends_with("12 cans"), "{}", report.answer);
    assert_eq!(case.calls(), 0);
    // Nobody asked for it.
    let mut case = Case::new(prose(), GOOD).await;
    case.options.compose = false;
    assert_eq!((case.run().await.answer.as_str(), case.calls()), (JOINED, 0));
}

#[tokio::test]
async fn no_call_is_made_that_is_not_paid_for() {
    for limit in [|b: &mut Budget| b.calls = Some(3), |b: &mut Budget| b.tokens = Some(500)] {
        let mut case = Case::new(prose(), GOOD).await;
        limit(&mut case.options.budget);
        let report = case.run().await;
        assert_eq!((report.answer.as_str(), case.calls()), (JOINED, 0));
        assert!(report.succeeded() && case.warnings.lock().unwrap()[0].contains("does not pay"));
    }
    let mut case = Case::new(prose(), GOOD).await;
    case.options.budget.calls = Some(4);
    assert_eq!((case.run().await.claims.len(), case.calls()), (2, 1));
}
