use std::sync::Arc;

use qsef_core::{Error, Expert, ExpertCall, ExpertProfile, Outcome, Payload, Result};

type Function = dyn Fn(&ExpertCall) -> Result<Payload, String> + Send + Sync;

/// An expert that is a function of the call: no model, no cost.
#[derive(Clone)]
pub struct FnExpert {
    profile: ExpertProfile,
    function: Arc<Function>,
}

impl FnExpert {
    /// Wraps a function. Its error says what the task lacks, as a sentence without the expert's name: the expert declines.
    pub fn new(
        profile: ExpertProfile,
        function: impl Fn(&ExpertCall) -> Result<Payload, String> + Send + Sync + 'static,
    ) -> Self {
        Self { profile, function: Arc::new(function) }
    }
}

impl Expert for FnExpert {
    fn profile(&self) -> &ExpertProfile {
        &self.profile
    }

    async fn run(&self, call: ExpertCall) -> Result<Outcome> {
        (self.function)(&call)
            .map(Outcome::from)
            .map_err(|message| Error::Declined { expert: self.profile.id.clone(), message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_function_is_an_expert_and_its_error_carries_its_name() {
        let expert = FnExpert::new(ExpertProfile::new("shout", "Writes in capitals."), |call| {
            if call.task.is_empty() {
                Err("there is no text".into())
            } else {
                Ok(Payload::text(call.task.to_uppercase()))
            }
        });
        assert_eq!(expert.run(ExpertCall::new("hi")).await.unwrap().payload, Payload::text("HI"));
        let error = expert.run(ExpertCall::new("")).await.unwrap_err();
        assert_eq!(error.to_string(), "expert `shout`: there is no text");
    }
}
