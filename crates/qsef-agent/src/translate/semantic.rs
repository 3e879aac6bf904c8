//! Translation by the large model, where no adapter will do: constrained to the format's schema, checked, retried once.

use qsef_core::{AnyEmbedder, Cost, FinishReason, Format, HandOff, Means, Message, Modality, Payload, Request};
use serde_json::{Value, json};

use super::{
    Attempt, Consumer, Kind, Takes, Translation, Translator, adapters::json, check, consumer, loss, record, walk,
};
use crate::{chat::generate, prompts};

/// The most that the meaning of what the model writes may differ from its source, as (1 − cosine)/2: a cosine of 0.5. Faithful
/// translations of prose into lists and tables were seen at 0.05 to 0.13 with the default embedder, unrelated texts lie near 0.5.
const MAX_DISTANCE: f32 = 0.25;

/// The shortest prose that is rewritten because its consumer is about something else, in bytes. A shorter one is no work to read.
const MIN_REWRITE: usize = 800;

/// The most tokens of a translation, and the fewest that it is given.
const MAX_TOKENS: std::ops::RangeInclusive<usize> = 128..=4096;

impl Translator {
    /// Prose, rewritten for a consumer that is about something else. None where it is near enough, or where the model's words
    /// do not hold what the prose says: the consumer can read the prose as it is.
    pub(super) async fn rewritten(&self, payload: &Payload, consumer: &Consumer) -> Option<Translation> {
        let (Some(embedder), Some(text)) = (&self.embedder, payload.value.as_str()) else { return None };
        let prose = payload.format == Format::Text && payload.modality == Modality::Text && text.len() >= MIN_REWRITE;
        if self.model.is_none() || !prose {
            return None;
        }
        let vector = embedder.embed(vec![text.to_owned()]).await.ok()?.pop()?;
        if consumer.distance(&vector, embedder).await.ok()? < self.far {
            return None;
        }
        let mut attempt = Attempt::default();
        let goal = (Kind::Text, Format::Text);
        if let Some(done) = self.written(payload, consumer, &goal, &mut attempt).await {
            return Some(done);
        }
        let mut kept = super::untouched(payload);
        kept.hand_off.cost = attempt.cost;
        kept.hand_off.notes = attempt.of_model;
        kept.hand_off
            .notes
            .insert(0, "it was not rewritten for the expert, although it is about something else".into());
        Some(kept)
    }

    /// The model's translation into the first format that the consumer takes.
    pub(super) async fn by_model(
        &self,
        source: &Payload,
        consumer: &Consumer,
        attempt: &mut Attempt,
    ) -> Option<Translation> {
        if source.modality != Modality::Text {
            return None;
        }
        let goal = consumer.goals().into_iter().next()?;
        self.written(source, consumer, &goal, attempt).await
    }

    /// Asks the model, checks what it writes, and asks once more with the reason where that fails.
    async fn written(
        &self,
        source: &Payload,
        consumer: &Consumer,
        goal: &(Kind, Format),
        attempt: &mut Attempt,
    ) -> Option<Translation> {
        let model = self.model.as_ref()?;
        let text = source.to_text();
        // A token has three bytes or more in most languages. What does not fit twice, once to read and once to write, is not tried.
        let tokens = text.len() / 2 + 64;
        if tokens * 2 > model.info().context_tokens {
            attempt.of_model.push("it is too long for the model to translate".into());
            return None;
        }
        let target = Target::of(goal, consumer)?;
        let data = prompts::data(&text);
        let reader = one_line(&consumer.description);
        let mut messages = prompts::translate().to_vec();
        let recurring = messages.len();
        messages.push(Message::user(format!("{data}Write it as {}.\nThe reader: {reader}", target.what)));
        for _ in 0..2 {
            let max_tokens = (tokens + tokens / 2).clamp(*MAX_TOKENS.start(), *MAX_TOKENS.end());
            let request = Request::new(messages.clone()).max_tokens(max_tokens).prefix_messages(recurring);
            let generation = match generate(model, request.json_schema(target.schema.clone())).await {
                Ok(generation) => generation,
                Err(error) => {
                    attempt.of_model.push(error.to_string());
                    return None;
                }
            };
            attempt.cost += Cost::of(generation.usage, model.info().price);
            let made = if generation.finish == FinishReason::Stop {
                self.read(source, consumer, &target, goal, &generation.text).await
            } else {
                Err("it is cut off before its end".into())
            };
            match made {
                Ok(mut done) => {
                    done.hand_off.cost = attempt.cost;
                    return Some(done);
                }
                Err(reason) => {
                    messages.push(Message::assistant(generation.text));
                    messages.push(Message::user(format!(
                        "No: {reason}. Write it again, with nothing missing and nothing added."
                    )));
                    attempt.of_model.push(format!("the model's translation cannot be used: {reason}"));
                }
            }
        }
        None
    }

    /// The model's answer as a payload in the goal's format; why not, where it is not a faithful one.
    async fn read(
        &self,
        source: &Payload,
        consumer: &Consumer,
        target: &Target,
        goal: &(Kind, Format),
        answer: &str,
    ) -> Result<Translation, String> {
        let answer = json::parse(answer)?;
        let unread =
            if target.kind == Kind::Table { "not every row has a cell for each column" } else { "it has another form" };
        let mut made = (target.read)(&answer).ok_or(unread)?;
        check(&made)?;
        consumer.fit(&mut made);
        if target.kind != goal.0 {
            let path = self.graph.cheapest(target.kind, &[goal.0], &Default::default()).unwrap_or_default();
            let walk = walk::Walk { graph: &self.graph, path: &path, goals: std::slice::from_ref(goal) };
            let walked = walk.run(&made, consumer, &mut walk::Paid::default(), &mut Cost::default()).await;
            made = walked.map_err(|(_, reason)| reason)?.payload;
        }
        consumer.reads(&made)?;
        let invented = loss::invented(source, &made);
        if !invented.is_empty() {
            return Err(format!("these are not in the source: {}", invented.join(", ")));
        }
        let loss = loss::survives(source, &made);
        let mut hand_off = HandOff { means: Means::Model, to: made.format.clone(), ..record(source) };
        hand_off.path = [Kind::of(source), Some(goal.0)].into_iter().flatten().map(|k| k.name().to_owned()).collect();
        match target.takes {
            Takes::Whole if !loss.is_none() => return Err(format!("these are missing: {}", loss.missing.join(", "))),
            Takes::Whole => hand_off.distance = self.meaning(source, &made).await?,
            Takes::Block | Takes::Value => {
                if matches!(made.format, Format::Code(_)) && !source.to_text().contains(made.to_text().trim()) {
                    return Err("the code is not as it stands in the source".into());
                }
                hand_off.missing = loss.missing;
                hand_off.notes.push("what it says is the model's reading".into());
            }
        }
        Ok(Translation { payload: made, hand_off })
    }

    /// How far the meaning moved; an error where that is too far.
    async fn meaning(&self, source: &Payload, made: &Payload) -> Result<Option<f32>, String> {
        let Some(embedder) = &self.embedder else { return Ok(None) };
        same_meaning(embedder, source.to_text(), made.to_text()).await
    }
}

/// How far the meaning of two texts is apart; an error where that is too far.
pub(crate) async fn same_meaning(embedder: &AnyEmbedder, source: String, made: String) -> Result<Option<f32>, String> {
    let vectors = embedder.embed(vec![source, made]).await.map_err(|e| e.to_string())?;
    let [a, b] = vectors.as_slice() else { return Ok(None) };
    let distance = consumer::distance(a, b);
    if distance > MAX_DISTANCE {
        return Err("it says something else than the source".into());
    }
    Ok(Some(distance))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the model is asked for.
struct Target {
    /// The format that it writes; adapters do the rest.
    kind: Kind,
    what: String,
    schema: Value,
    /// How much of the source the format can hold.
    takes: Takes,
    /// The payload of an answer; none where it has another form.
    read: fn(&Value) -> Option<Payload>,
}

fn field(name: &str, schema: &Value) -> Value {
    json!({"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": false})
}

impl Target {
    fn of((kind, format): &(Kind, Format), consumer: &Consumer) -> Option<Self> {
        let text = json!({"type": "string"});
        let texts = json!({"type": "array", "items": text});
        Some(match kind {
            Kind::Text => Self {
                kind: Kind::Text,
                what: "plain text that the reader can work with: simpler where it is involved, explained where it is terse".into(),
                schema: field("text", &text),
                takes: Takes::Whole,
                read: |v| Some(Payload::text(v.get("text")?.as_str()?)),
            },
            Kind::Number => Self {
                kind: Kind::Number,
                what: "the one number that it comes to, exactly as it is spelt, with its unit".into(),
                schema: field("number", &text),
                takes: Takes::Value,
                read: |v| Some(Payload::string(v.get("number")?.as_str()?.trim(), Format::Number)),
            },
            Kind::Boolean => Self {
                kind: Kind::Boolean,
                what: "true or false: what it answers".into(),
                schema: field("answer", &json!({"type": "boolean"})),
                takes: Takes::Value,
                read: |v| Some(Payload { format: Format::Boolean, ..Payload::json(v.get("answer")?.clone()) }),
            },
            Kind::Date => Self {
                kind: Kind::Date,
                what: "the one date that it names, as YYYY-MM-DD".into(),
                schema: field("date", &text),
                takes: Takes::Value,
                read: |v| Some(Payload::string(v.get("date")?.as_str()?.trim(), Format::Date)),
            },
            Kind::List => Self {
                kind: Kind::List,
                what: "a list of its items, each in the source's words".into(),
                schema: field("items", &texts),
                takes: Takes::Whole,
                read: |v| Some(Payload { format: Format::List, ..Payload::json(v.get("items")?.clone()) }),
            },
            Kind::Table | Kind::Csv | Kind::MarkdownTable => Self {
                kind: Kind::Table,
                what: "a table: the names of its columns, then its rows with a cell for each column, in the source's words".into(),
                schema: json!({
                    "type": "object", "required": ["columns", "rows"], "additionalProperties": false,
                    "properties": {"columns": texts, "rows": {"type": "array", "items": texts}}
                }),
                takes: Takes::Whole,
                read: table,
            },
            // A schema of its own is the whole schema: its references begin at the root.
            Kind::Json if consumer.schema().is_some() => Self {
                kind: Kind::Json,
                what: "JSON with the fields that are asked for, values in the source's words".into(),
                schema: consumer.schema()?.clone(),
                takes: Takes::Whole,
                read: |v| Some(Payload::json(v.clone())),
            },
            Kind::Json | Kind::Yaml => Self {
                kind: Kind::Json,
                what: "JSON with fields named for what they hold, values in the source's words".into(),
                schema: field("value", &json!({"type": "object"})),
                takes: Takes::Whole,
                read: |v| Some(Payload::json(v.get("value")?.clone())),
            },
            Kind::Code | Kind::Fenced => {
                let language = if let Format::Code(language) = format { language.as_str() } else { "" };
                Self {
                    kind: Kind::Code,
                    what: format!("the {language} code in it, copied without a change"),
                    schema: field("code", &text),
                    takes: Takes::Block,
                    read: |v| Some(Payload::string(v.get("code")?.as_str()?, Format::Code(String::new()))),
                }
            }
            Kind::Image | Kind::Audio => return None,
        })
    }
}

fn table(answer: &Value) -> Option<Payload> {
    let columns: Vec<&str> = answer.get("columns")?.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    let mut rows = Vec::new();
    for row in answer.get("rows")?.as_array()? {
        let cells = row.as_array().filter(|cells| cells.len() == columns.len())?;
        rows.push(columns.iter().map(|c| (*c).to_owned()).zip(cells.iter().cloned()).collect());
    }
    Some(Payload { format: Format::Table, ..Payload::json(Value::Array(rows)) })
}
