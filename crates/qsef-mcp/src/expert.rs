use std::sync::Arc;

use qsef_agent::experts::Function;
use qsef_core::{AnyModel, Cost, Effects, Error, Event, Expert, ExpertCall, ExpertProfile, Outcome, Result};
use rmcp::model::{CallToolResult, JsonObject};

use crate::{connection::Connection, profile::Described, result};

/// A tool of a server as an expert. A model writes its arguments from the words of the subtask.
pub(crate) struct ToolExpert {
    described: Described,
    model: AnyModel,
    connection: Arc<Connection>,
}

impl ToolExpert {
    pub fn new(described: Described, model: AnyModel, connection: Arc<Connection>) -> Self {
        Self { described, model, connection }
    }

    fn id(&self) -> &str {
        &self.described.profile.id
    }

    fn fail(&self, what: &str) -> Error {
        Error::Expert { expert: self.id().to_owned(), message: self.connection.told(&self.described.tool, what) }
    }

    async fn call(&self, arguments: JsonObject) -> Result<CallToolResult> {
        let Described { tool, idempotent, profile, .. } = &self.described;
        let result = self.connection.call(self.id(), tool, arguments.clone()).await;
        match result {
            // Experts that change nothing are repeated by those who run them.
            Err(Error::Unavailable { .. }) if *idempotent && profile.effects == Effects::External => {
                self.connection.call(self.id(), tool, arguments).await
            }
            result => result,
        }
    }
}

impl Expert for ToolExpert {
    fn profile(&self) -> &ExpertProfile {
        &self.described.profile
    }

    async fn run(&self, call: ExpertCall) -> Result<Outcome> {
        let Described { about, schema, timeout, profile, .. } = &self.described;
        let function = Function { expert: self.id(), about, schema };
        let (arguments, usage) = function.arguments(&self.model, &call).await?;
        let arguments = arguments.as_object().cloned().ok_or_else(|| self.fail("its arguments are no object"))?;
        tracing::debug!(expert = self.id(), arguments = %serde_json::json!(arguments), "a tool is called");
        // Writing the arguments is not the tool's time.
        let called = tokio::time::timeout(*timeout, self.call(arguments)).await;
        let result = called.map_err(|_| Error::TimedOut { what: self.id().to_owned(), after: *timeout })??;
        let (payload, left_out) = result::payload(result).map_err(|what| self.fail(&what))?;
        if let Some(left_out) = left_out {
            call.events.send(Event::Warning { message: format!("{}: `{}`: {left_out}", call.id, self.id()) });
        }
        // A profile that tells a price of its own means it.
        let own = profile.usd_per_mtok;
        let price = if own > 0.0 { own.into() } else { self.model.info().price };
        let model = (usage.prompt_tokens > 0).then(|| self.model.info().name.clone());
        Ok(Outcome { payload, cost: Cost::of(usage, price), model })
    }
}
