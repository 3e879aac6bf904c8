//! Scripted experts, and hubs of them.

#![allow(dead_code, reason = "no test file uses all of it")]
#![allow(clippy::unwrap_used)] // helpers of tests are test code

use qsef_agent::{Hub, Registry};
use qsef_core::{
    AnyEmbedder, AnyExpert, AnyModel, Expert, ExpertCall, ExpertProfile, Outcome, Payload, Result,
    test_util::{LetterEmbedder, ScriptedModel},
};

type Work = dyn Fn(ExpertCall) -> futures::future::BoxFuture<'static, Result<Outcome>> + Send + Sync;

pub struct Scripted {
    pub profile: ExpertProfile,
    work: Box<Work>,
}

impl Expert for Scripted {
    fn profile(&self) -> &ExpertProfile {
        &self.profile
    }
    async fn run(&self, call: ExpertCall) -> Result<Outcome> {
        (self.work)(call).await
    }
}

pub fn expert<F>(id: &str, work: impl Fn(ExpertCall) -> F + Send + Sync + 'static) -> Scripted
where
    F: Future<Output = Result<Outcome>> + Send + 'static,
{
    let profile = ExpertProfile::new(id, format!("does {id} work"));
    Scripted { profile, work: Box::new(move |call| Box::pin(work(call))) }
}

/// An expert that answers with its id and what it was given.
pub fn echo(id: &'static str) -> Scripted {
    expert(id, move |call| async move {
        let inputs: Vec<String> = call.inputs.iter().map(|i| i.payload.to_text()).collect();
        Ok(Payload::text(format!("{id}({})", inputs.join(","))).into())
    })
}

/// A hub whose planner answers with these steps: their words, and the numbers of those they use.
pub async fn hub(steps: &[(&str, &[usize])], experts: Vec<Scripted>, fallback: Option<&str>) -> (Hub, String) {
    let rows: Vec<_> = steps.iter().map(|(task, uses)| serde_json::json!({"task": task, "uses": uses})).collect();
    let answer = serde_json::json!({"steps": rows}).to_string();
    let model = AnyModel::new(ScriptedModel::new(move |_| Ok(answer.clone())).forgetful());
    let experts = experts.into_iter().map(AnyExpert::new).collect();
    let registry = Registry::new(AnyEmbedder::new(LetterEmbedder), experts, fallback).await.unwrap();
    let request = steps.iter().map(|(task, _)| *task).collect::<Vec<_>>().join("; ");
    (Hub::new(model, registry), request)
}
