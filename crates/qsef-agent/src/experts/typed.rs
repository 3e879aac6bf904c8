use std::{future::Future, marker::PhantomData, pin::Pin, sync::Arc};

use qsef_core::{
    AnyModel, Cost, Error, Expert, ExpertCall, ExpertProfile, Format, Modality, Outcome, Payload, Result, Usage,
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::arguments::Function;

type Made = Pin<Box<dyn Future<Output = Result<Value>> + Send>>;

/// An expert that is a Rust function: a model fills the function's arguments from the words of the subtask, under the
/// schema of their type. Numbers that neither the words nor the inputs contain are refused. What the function returns has the first
/// format of the profile's `gives` that such a value may have; otherwise it is text or JSON.
pub struct TypedExpert<Args> {
    profile: ExpertProfile,
    model: AnyModel,
    function: Arc<dyn Fn(Args) -> Made + Send + Sync>,
    /// JSON Schema of the arguments.
    schema: Value,
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
        let schema = schemars::schema_for!(Args).to_value();
        profile.parameters.get_or_insert_with(|| schema.clone());
        let function = move |args| -> Made {
            let made = function(args);
            Box::pin(async move { serde_json::to_value(made.await?).map_err(|e| Error::Internal(e.to_string())) })
        };
        Self { profile, model, function: Arc::new(function), schema, args: PhantomData }
    }
}

impl<Args> TypedExpert<Args> {
    /// What a model has to know of the function to write its arguments.
    fn described(&self) -> Function<'_> {
        Function { expert: &self.profile.id, about: &self.profile.description, schema: &self.schema }
    }

    fn fail(&self, message: String) -> Error {
        Error::Expert { expert: self.profile.id.clone(), message }
    }
}

/// Whether a payload of this format may have this value.
fn fits(format: &Format, value: &Value) -> bool {
    match format {
        Format::Json => true,
        Format::List | Format::Table => value.is_array(),
        Format::Boolean => value.is_boolean(),
        format => format.modality() == Modality::Text && value.is_string(),
    }
}

impl<Args: JsonSchema + DeserializeOwned + Send + 'static> Expert for TypedExpert<Args> {
    fn profile(&self) -> &ExpertProfile {
        &self.profile
    }

    fn prompt_tokens(&self, call: &ExpertCall) -> Option<u64> {
        Some(self.model.count_tokens(&self.described().request(call)?))
    }

    async fn run(&self, call: ExpertCall) -> Result<Outcome> {
        let (value, usage) = self.described().arguments(&self.model, &call).await?;
        let args: Args = serde_json::from_value(value).map_err(|e| self.fail(format!("unusable arguments: {e}")))?;
        let value = (self.function)(args).await?;
        let format = self.profile.gives.iter().find(|format| fits(format, &value)).cloned();
        let usual = if value.is_string() { Format::Text } else { Format::Json };
        let payload = Payload { format: format.unwrap_or(usual), ..Payload::json(value) };
        let cost = Cost::of(usage, self.model.info().price);
        let model = (usage != Usage::default()).then(|| self.model.info().name.clone());
        Ok(Outcome { payload, cost, model })
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
