//! Budgets of tokens and money against calls that are counted before they are made.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests are test code

use std::{collections::BTreeMap, path::Path};

use qsef_agent::{
    Hub, Ledger, Registry, RunOptions,
    experts::{ModelExpert, Produces},
    run::{Step, replay},
};
use qsef_core::{
    AnyEmbedder, AnyExpert, AnyModel, Error, ExpertProfile, Status,
    test_util::{LetterEmbedder, ScriptedModel},
};

/// A hub whose model plans and does the work; its tokens are words.
async fn hub(dir: &Path) -> (Hub, ScriptedModel) {
    let script = ScriptedModel::new(|_| Ok("done and dusted".into()));
    let model = AnyModel::new(script.clone());
    let mut profile = ExpertProfile::new("summary", "Summarises texts.");
    (profile.usd_per_mtok, profile.params_b) = (10.0, Some(0.5));
    let system_prompt = "Summarise.".into();
    let expert = ModelExpert { profile, model: model.clone(), system_prompt, output: Produces::Text };
    let registry = Registry::new(AnyEmbedder::new(LetterEmbedder), vec![AnyExpert::new(expert)], None).await.unwrap();
    (Hub::new(model, registry).with_ledger(Ledger::open(dir.join(Ledger::FILE_NAME))), script)
}

fn options(tokens: Option<u64>, usd: Option<f64>) -> RunOptions {
    let mut options = RunOptions::default();
    (options.budget.tokens, options.budget.usd) = (tokens, usd);
    options
}

/// On average a call takes 1,000 tokens; this one reads more than 3,000.
fn long() -> String {
    format!("Summarise this text: {}", "rain falls on hills ".repeat(750))
}

#[tokio::test]
async fn a_call_that_reads_more_than_is_left_is_not_made() {
    for limited in [options(Some(2_000), None), options(None, Some(0.02))] {
        let dir = tempfile::tempdir().unwrap();
        let (hub, script) = hub(dir.path()).await;
        let report = hub.run(&long(), limited).await.unwrap();
        let why = report.exhausted.unwrap();
        assert!(why.contains("may be needed: summary is not paid for"), "{why}");
        assert!(script.requests().is_empty(), "nothing was spent");
        // With more it goes on.
        let report = hub.resume(&report.trace_id, BTreeMap::new(), options(Some(4_000), Some(1.0))).await.unwrap();
        assert_eq!(report.subtasks[0].status, Status::Done);
        assert_eq!(script.requests().len(), 1);
        let steps: Vec<Step> =
            hub.ledger().unwrap().steps_of(&report.trace_id).unwrap().into_iter().map(|(_, step)| step).collect();
        let counted: Vec<u64> = steps
            .iter()
            .filter_map(|s| if let Step::Counted { prompt_tokens, .. } = s { Some(*prompt_tokens) } else { None })
            .collect();
        assert_eq!(counted, [report.usage.prompt_tokens], "what was counted before is what was used");
        assert!(replay(steps).is_ok());
    }
}

#[tokio::test]
async fn a_plan_that_reads_more_than_there_is_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, script) = hub(dir.path()).await;
    let request = "Summarise the weather, then summarise the news.";
    for options in [options(Some(20), None), options(Some(0), None)] {
        let Err(Error::Budget(why)) = hub.run(request, options).await else { panic!("it is not paid for") };
        assert!(why.contains("to plan the request takes at least"), "{why}");
    }
    assert!(script.requests().is_empty());
    assert_eq!(hub.run(request, RunOptions::default()).await.unwrap().subtasks.len(), 2);
}
