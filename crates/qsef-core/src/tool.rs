use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Error, FinishReason, Generation, Part, Request, Result, schema};

/// The longest name that a tool may have, in characters; OpenAI's limit.
const NAME_LENGTH: usize = 64;

/// A function that a model may ask to be called ([`Request::tools`]). The application calls it and puts what it returns into the
/// conversation ([`crate::Message::tool_result`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name: 1 to 64 letters of ASCII, digits, `_` and `-`, unique among the tools of a request.
    pub name: String,
    /// What it does and when to use it, for the model.
    pub description: String,
    /// JSON Schema of its arguments: an object.
    pub parameters: Value,
}

impl Tool {
    /// A tool.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        Self { name: name.into(), description: description.into(), parameters }
    }

    /// The tool as OpenAI's API and chat templates have it.
    pub fn to_json(&self) -> Value {
        let Self { name, description, parameters } = self;
        json!({"type": "function", "function": {"name": name, "description": description, "parameters": parameters}})
    }
}

/// Whether a model may or must ask for a tool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolChoice {
    /// It may answer or ask for tools.
    #[default]
    Auto,
    /// It asks for at least one.
    Required,
    /// It asks for this one.
    Named(String),
}

/// A tool that a model asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// What the result refers to; unique in the conversation.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// Its arguments: an object. It comes from a model: look at it before you do what cannot be undone.
    pub arguments: Value,
}

impl Request {
    /// The tools that the model may choose of: all, or the one that [`Request::tool_choice`] names.
    pub fn eligible_tools(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter().filter(|tool| match &self.tool_choice {
            ToolChoice::Named(name) => *name == tool.name,
            _ => true,
        })
    }

    /// How many calls of tools the conversation has: where a server or a model names none, the next one is `call-` with the
    /// number after it.
    pub fn earlier_calls(&self) -> usize {
        let parts = self.messages.iter().flat_map(|message| &message.parts);
        parts.filter(|part| matches!(part, Part::ToolCall(_))).count()
    }

    /// Whether tools are offered as they have to be. A backend asks before it begins.
    ///
    /// # Errors
    /// [`Error::Input`], naming the tool and the field.
    pub fn check_tools(&self) -> Result<()> {
        for (at, tool) in self.tools.iter().enumerate() {
            let name = &tool.name;
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            let wrong = if name.is_empty() || name.len() > NAME_LENGTH || !name.chars().all(fits) {
                "`name` is to have 1 to 64 letters, digits, `_` or `-`".to_owned()
            } else if self.tools.iter().take(at).any(|other| other.name == *name) {
                "another tool of the request has the same name".to_owned()
            } else if let Err(why) = schema::check(&tool.parameters) {
                format!("`parameters` is no JSON Schema: {why}")
            } else if !matches!(tool.parameters.get("type").map_or(Some("object"), Value::as_str), Some("object")) {
                "`parameters` is to describe an object".to_owned()
            } else {
                continue;
            };
            return Err(Error::Input(format!("tool `{name}`: {wrong}")));
        }
        match &self.tool_choice {
            ToolChoice::Required if self.tools.is_empty() => {
                Err(Error::Input("a tool is required, and none is offered".into()))
            }
            ToolChoice::Named(name) if self.eligible_tools().next().is_none() => {
                Err(Error::Input(format!("the tool `{name}` is required, and not offered")))
            }
            _ => Ok(()),
        }
    }

    /// For a backend that cannot offer tools: refuses a request that has any.
    ///
    /// # Errors
    /// [`Error::Input`], naming the model.
    pub fn refuse_tools(&self, model: &str) -> Result<()> {
        if self.tools.is_empty() {
            return self.check_tools();
        }
        Err(Error::Input(format!("the model `{model}` cannot call tools")))
    }

    /// Whether a call is of a tool that was offered, with arguments that conform to its schema.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check_call(&self, call: &ToolCall) -> Result<(), String> {
        let Some(tool) = self.eligible_tools().find(|tool| tool.name == call.name) else {
            return Err(format!("there is no tool `{}`", call.name));
        };
        let conforms = if call.arguments.is_object() {
            schema::conforms(&call.arguments, &tool.parameters)
        } else {
            Err("$ is not of type object".into())
        };
        conforms.map_err(|why| format!("the arguments of `{}` do not conform: {why}", call.name))
    }

    /// Whether an answer keeps to the tools that were offered and to [`Request::tool_choice`]. One that was cut does.
    ///
    /// # Errors
    /// [`Error::BadOutput`] of the model of this name.
    pub fn check_answer(&self, model: &str, made: &Generation) -> Result<()> {
        let asked = made.calls.iter().try_for_each(|call| self.check_call(call));
        let wanted = || match self.tool_choice {
            ToolChoice::Auto => Ok(()),
            _ if !made.calls.is_empty() || made.finish == FinishReason::Length => Ok(()),
            _ => Err("it asks for no tool, and one is required".to_owned()),
        };
        asked.and_then(|()| wanted()).map_err(|message| Error::BadOutput {
            model: model.to_owned(),
            message,
            output: made.text.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;

    fn request(names: &[&str]) -> Request {
        let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        let tools = names.iter().map(|name| Tool::new(*name, "Weather.", parameters.clone()));
        Request::new(vec![Message::user("Hi")]).tools(tools)
    }

    fn call(name: &str, arguments: Value) -> ToolCall {
        ToolCall { id: "1".into(), name: name.into(), arguments }
    }

    #[test]
    fn tools_that_cannot_be_offered_are_named() {
        assert!(request(&["a", "b-2"]).check_tools().is_ok());
        for (request, words) in [
            (request(&["a b"]), "tool `a b`: `name`"),
            (request(&["a", "a"]), "the same name"),
            (request(&["a"]).tool_choice(ToolChoice::Named("b".into())), "`b` is required, and not offered"),
            (request(&[]).tool_choice(ToolChoice::Required), "none is offered"),
            (request(&[]).tools([Tool::new("a", "", json!({"type": "string"}))]), "describe an object"),
            (request(&[]).tools([Tool::new("a", "", json!({"type": "thing"}))]), "no JSON Schema"),
        ] {
            let error = request.check_tools().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn calls_are_checked() {
        let request = request(&["a", "b"]).tool_choice(ToolChoice::Named("a".into()));
        assert_eq!(request.check_call(&call("a", json!({"city": "Oslo"}))), Ok(()));
        assert!(request.check_call(&call("a", json!({}))).unwrap_err().contains("lacks the field `city`"));
        assert!(request.check_call(&call("a", json!("Oslo"))).unwrap_err().contains("not of type object"));
        assert!(request.check_call(&call("b", json!({"city": "Oslo"}))).is_err());
    }

    #[test]
    fn an_answer_without_a_call_does_not_do_where_one_is_required() {
        let made = |calls| Generation { text: "Oslo".into(), calls, ..Generation::default() };
        let required = request(&["a"]).tool_choice(ToolChoice::Required);
        assert!(matches!(required.check_answer("m", &made(vec![])), Err(Error::BadOutput { .. })));
        assert!(required.check_answer("m", &made(vec![call("a", json!({"city": "Oslo"}))])).is_ok());
        assert!(request(&["a"]).check_answer("m", &made(vec![])).is_ok());
    }
}
