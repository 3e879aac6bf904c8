use std::{future::Future, marker::PhantomData, pin::Pin, sync::Arc};

use qsef_core::{AnyModel, Cost, Error, Expert, ExpertCall, ExpertProfile, Outcome, Payload, Result};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::arguments::Function;

type Made = Pin<Box<dyn Future<Output = Result<Value>> + Send>>;

/// An expert that is a Rust function: a model fills the function's arguments from the words of the subtask, under the
/// schema of their type. Numbers that neither the words nor the inputs contain are refused.
pub struct TypedExpert<Args> {
    profile: ExpertProfile,
    model: AnyModel,
    function: Arc<dyn Fn(Args) -> Made + Send + Sync>,
    args: PhantomData<fn() -> Args>,
}

impl<Args: JsonSchema + DeserializeOwned + Send + 'static> TypedExpert<Args> {
    /// Wraps a function. The schema of `Args` becomes the profile's `parameters` where it has none.
    pub fn new<F, Fut, T>(mut profile: ExpertProfile, model: AnyModel, function: F) -> Self
    where
        F: Fn(Args) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T>> + Send + 'static,
        T: Serialize,
    {
        profile.parameters.get_or_insert_with(|| schemars::schema_for!(Args).to_value());
        let function = move |args| -> Made {
            let made = function(args);
            Box::pin(async move { serde_json::to_value(made.await?).map_err(|e| Error::Internal(e.to_string())) })
        };
        Self { profile, model, function: Arc::new(function), args: PhantomData }
    }
}

impl<Args> TypedExpert<Args> {
    fn fail(&self, message: String) -> Error {
        Error::Expert { expert: self.profile.id.clone(), message }
    }
}

impl<Args: JsonSchema + DeserializeOwned + Send + 'static> Expert for TypedExpert<Args> {
    fn profile(&self) -> &ExpertProfile {
        &self.profile
    }

    async fn run(&self, call: ExpertCall) -> Result<Outcome> {
        let schema = schemars::schema_for!(Args).to_value();
        let function = Function { expert: &self.profile.id, about: &self.profile.description, schema: &schema };
        let (value, usage) = function.arguments(&self.model, &call).await?;
        let args: Args = serde_json::from_value(value).map_err(|e| self.fail(format!("unusable arguments: {e}")))?;
        let payload = match (self.function)(args).await? {
            Value::String(text) => Payload::text(text),
            other => Payload::json(other),
        };
        let cost = Cost::of(usage, self.model.info().price);
        Ok(Outcome { payload, cost, model: Some(self.model.info().name.clone()) })
    }
}

#[cfg(test)]
mod tests {
    use qsef_core::test_util::ScriptedModel;

    use super::*;

    #[derive(serde::Deserialize, JsonSchema)]
    struct Order {
        item: String,
        count: u32,
    }

    fn expert(script: &ScriptedModel) -> TypedExpert<Order> {
        let profile = ExpertProfile::new("order", "Orders things.");
        TypedExpert::new(profile, AnyModel::new(script.clone()), |order: Order| async move {
            Ok(format!("{} {}", order.count, order.item))
        })
    }

    #[tokio::test]
    async fn invented_numbers_are_complained_about_once() {
        let wrong = r#"{"item":"pens","count":7}"#;
        let script = ScriptedModel::answers([wrong, r#"{"item":"pens","count":3}"#]);
        let outcome = expert(&script).run(ExpertCall::new("order three pens")).await.unwrap();
        assert_eq!(outcome.payload, Payload::text("3 pens"));
        assert!(script.requests()[1].messages[3].as_text().unwrap().contains('7'));
        assert!(expert(&script).profile().parameters.is_some());
        let script = ScriptedModel::answers([wrong, wrong, "{}"]);
        let error = expert(&script).run(ExpertCall::new("order 3 pens")).await.unwrap_err();
        assert!(error.to_string().contains("7"), "{error}");
        assert!(expert(&script).run(ExpertCall::new("")).await.is_err());
    }
}
