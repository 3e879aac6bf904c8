//! One item in tiers: written, put in order, checked, judged.

mod analogy;
mod check;
mod choose;
mod judge;
mod reasoning;
mod write;

use qsef_core::{AnyEmbedder, AnyModel, Error, Message, Request, Result, Usage};
use qsef_score::{Metric, complexity::Complexity, cosine, text::terms};
use serde_json::json;

use crate::{
    facts::Facts,
    item::{Item, Kind, Language, Pair, Rejected, Row, Step, TeacherRow, Turn},
    measure::{Offer, Ruler, frontier, suiting},
    output::{ItemInfo, StepCost, TierPoint},
    prompts,
    requests::{Asked, Asker},
    sentences::{Unit, joined, units},
    settings::{Settings, Tier},
};
use check::{is_refusal, longest, plain};
use choose::Choice;
pub(crate) use write::estimate;

/// Answers longer than so many passages are refused.
const MOST_PASSAGES: usize = 5;

/// What tiers are written with.
pub(crate) struct Tools {
    pub settings: Settings,
    pub asker: Asker,
    pub judge: AnyModel,
    pub embedder: Option<AnyEmbedder>,
    pub ruler: Ruler,
}

/// What came of one item.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// Its accepted tiers, the hardest first.
    pub rows: Vec<Row>,
    /// Its accepted and rejected wordings.
    pub pairs: Vec<Pair>,
    /// What was rejected of it.
    pub rejected: Vec<Rejected>,
    /// A teacher's answers to its rows.
    pub teacher: Vec<TeacherRow>,
    /// Its figures.
    pub info: ItemInfo,
    /// What it cost, by step.
    pub steps: Vec<StepCost>,
}

/// A sentence of the source with the wordings that may stand for it.
struct Sentence {
    unit: Unit,
    facts: Facts,
    vector: Option<Vec<f32>>,
    current: String,
    /// Other wordings that hold.
    pool: Vec<String>,
}

impl Sentence {
    fn take(&mut self, text: String) {
        self.current.clone_from(&text);
        self.pool.push(text);
    }

    /// All wordings from hard to easy, the source's first.
    fn wordings(&self) -> Vec<String> {
        let mut rest: Vec<(f64, &String)> = self.pool.iter().map(|text| (check::hardness(text), text)).collect();
        rest.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut all = vec![self.unit.text.clone()];
        all.extend(rest.into_iter().map(|(_, text)| text.clone()));
        all
    }
}

/// The work on one item.
struct Work<'a> {
    tools: &'a Tools,
    settings: &'a Settings,
    item: Item,
    context: Facts,
    requests: u32,
    attempts: u32,
    usage: Usage,
    usd: f64,
    steps: Vec<StepCost>,
}

/// A tier that was written.
struct Written {
    /// Its number in the settings.
    tier: usize,
    text: String,
    complexity: Complexity,
    distance: f64,
    kept: u32,
    sentences: u32,
    fault: Option<(Step, String)>,
    discarded: Option<(String, String)>,
}

/// Writes an item's tiers.
///
/// # Errors
/// What stops the job: a server that stays away, a key that is refused. What concerns the item alone is in its outcome.
pub(crate) async fn tell(tools: &Tools, item: Item) -> Result<Outcome> {
    let context = Facts::of(&item.text, item.language);
    let settings = &tools.settings;
    let mut work = Work {
        tools,
        settings,
        item,
        context,
        requests: 0,
        attempts: 0,
        usage: Usage::default(),
        usd: 0.0,
        steps: Vec::new(),
    };
    match work.run().await {
        Ok(outcome) => Ok(outcome),
        Err(Error::Model { model, message } | Error::BadOutput { model, message, .. }) => {
            Ok(work.fails(Step::Tier, format!("the model `{model}` failed: {message}")))
        }
        Err(error) => Err(error),
    }
}

impl Work<'_> {
    async fn run(&mut self) -> Result<Outcome> {
        if self.item.kind == Kind::Reasoning {
            return self.reason().await;
        }
        if self.item.kind == Kind::Topic
            && let Some(fault) = self.write_topic().await?
        {
            return Ok(self.fails(Step::Tier, fault));
        }
        let count = qsef_score::text::words(&self.item.text).len();
        let most = self.settings.passage_words * MOST_PASSAGES;
        if count > most {
            return Ok(
                self.fails(Step::Input, format!("{count} words are too many for an answer; {most} are the most"))
            );
        }
        let Some(mut sentences) = self.sentences().await? else {
            return Ok(self.fails(Step::Input, "it has no sentences to reword: code, tables or headings alone".into()));
        };
        let written: Vec<(usize, Tier)> =
            self.settings.tiers.iter().cloned().enumerate().filter(|(_, tier)| !tier.is_source()).collect();
        if let Some((_, easiest)) = written.last()
            && sentences
                .iter()
                .filter(|s| s.unit.is_prose)
                .all(|s| longest(&s.unit.text) <= write::sentence_words(easiest, self.item.language))
        {
            let reason = format!("it is at the level of the lowest tier, `{}`, already", easiest.name);
            return Ok(self.fails(Step::Tier, reason));
        }
        let source: Vec<String> = sentences.iter().map(|s| s.unit.text.clone()).collect();
        let mut drafts = vec![source.clone()];
        let (mut discarded, mut failed) = (Vec::new(), Vec::new());
        for (number, tier) in &written {
            let draft = self.reword(*number, tier, &mut sentences).await?;
            drafts.push(sentences.iter().map(|s| s.current.clone()).collect());
            discarded.push(draft.discarded);
            failed.push(draft.failed);
        }
        let mut analogy = None;
        if written.iter().any(|(_, tier)| tier.analogy)
            && let Some(draft) = drafts.last()
        {
            analogy = self.analogy(&self.joined(&sentences, draft)).await?;
        }
        let pools: Vec<Vec<String>> = sentences.iter().map(Sentence::wordings).collect();
        let ending = |number: usize| {
            let tier = number.checked_sub(1).and_then(|number| written.get(number));
            analogy.as_ref().filter(|_| tier.is_some_and(|(_, tier)| tier.analogy))
        };
        let assemble = |number: usize, texts: &[String]| {
            let text = self.joined(&sentences, texts);
            match (ending(number), self.item.language) {
                (Some(analogy), Language::En) => format!("{text} {analogy}"),
                (Some(analogy), Language::Zh) => format!("{text}{analogy}"),
                (None, _) => text,
            }
        };
        let chosen = choose::ordered(drafts, &pools, self.settings.least_step, &assemble);
        let mut found = self.checked(&written, chosen, &source, &failed, discarded).await?;
        for of in &mut found {
            let lacks = written.iter().any(|(number, tier)| *number == of.tier && tier.analogy) && analogy.is_none();
            if of.fault.is_none() && lacks {
                let reason = "no analogy was found that is short and adds no facts";
                of.fault = Some((Step::Tier, reason.into()));
            }
        }
        if self.settings.judge {
            self.judge(&mut found).await?;
        }
        if self.item.kind == Kind::Passage && found.iter().any(|of| of.fault.is_none()) {
            let question = self.question().await?;
            self.item.prompt = vec![Turn::user(question)];
        }
        self.outcome(found).await
    }

    /// The sentences of the source with their facts and vectors; `None` where there is no prose.
    async fn sentences(&mut self) -> Result<Option<Vec<Sentence>>> {
        let units = units(&self.item.text);
        if !units.iter().any(|unit| unit.is_prose) {
            return Ok(None);
        }
        let vectors = self.vectors(units.iter().map(|unit| unit.text.clone()).collect()).await?;
        let mut vectors = vectors.unwrap_or_default().into_iter();
        let (language, context) = (self.item.language, &self.context);
        let sentence = |unit: Unit| Sentence {
            facts: Facts::within(&unit.text, context, language),
            vector: vectors.next(),
            current: unit.text.clone(),
            pool: Vec::new(),
            unit,
        };
        Ok(Some(units.into_iter().map(sentence).collect()))
    }

    /// Each tier with what is wrong with it, the source first where it is a tier.
    async fn checked(
        &mut self,
        written: &[(usize, Tier)],
        chosen: Vec<Option<Choice>>,
        source: &[String],
        failed: &[Vec<(usize, String)>],
        discarded: Vec<Option<(String, String)>>,
    ) -> Result<Vec<Written>> {
        let mut chosen = chosen.into_iter();
        let first = chosen.next().flatten();
        let texts: Vec<String> =
            std::iter::once(self.item.text.clone()).chain(chosen.clone().flatten().map(|c| c.text)).collect();
        let vectors = self.vectors(texts).await?;
        let mut vectors = vectors.unwrap_or_default().into_iter();
        let of_source = vectors.next();
        let mut found = Vec::new();
        if let Some(first) = first.filter(|_| self.settings.tiers.first().is_some_and(Tier::is_source)) {
            let sentences = source.len() as u32;
            // As it stands, white space and all.
            let (text, complexity) = (self.item.text.trim().to_owned(), first.complexity);
            let (kept, fault, discarded) = (0, None, None);
            found.push(Written { tier: 0, text, complexity, distance: 0.0, kept, sentences, fault, discarded });
        }
        for ((((number, tier), choice), failed), discarded) in written.iter().zip(chosen).zip(failed).zip(discarded) {
            let Some(choice) = choice else {
                let reasons = write::reasons(failed);
                let because = if reasons.is_empty() { String::new() } else { format!(" ({reasons})") };
                let reason = format!(
                    "no wording was found that is less complex than the tier before and says the same{because}"
                );
                found.push(Written {
                    tier: *number,
                    text: discarded.as_ref().map_or_else(String::new, |(text, _): &(String, String)| text.clone()),
                    complexity: Complexity::default(),
                    distance: 0.0,
                    kept: 0,
                    sentences: source.len() as u32,
                    fault: Some((Step::Tier, reason)),
                    discarded: None,
                });
                continue;
            };
            let distance = match (&of_source, vectors.next()) {
                (Some(a), Some(b)) => self.distance(a, &b),
                _ => word_distance(&self.item.text, &choice.text),
            };
            let most = write::sentence_words(tier, self.item.language) * 3 / 2;
            let is_kept = |(now, was): &(&String, &String)| now == was && longest(now) > most;
            let kept = choice.sentences.iter().zip(source).filter(is_kept).count() as u32;
            let sentences = source.len() as u32;
            let fault = if distance > self.settings.most_distance {
                Some(format!(
                    "its meaning is too far from the source's: distance {distance:.2}, at most {:.2}",
                    self.settings.most_distance
                ))
            } else if f64::from(kept) > self.settings.most_kept * f64::from(sentences) {
                let reasons = write::reasons(failed);
                Some(format!("{kept} of {sentences} sentences could not be reworded: {reasons}"))
            } else {
                None
            };
            let fault = fault.map(|reason| (Step::Tier, reason));
            let Choice { text, complexity, .. } = choice;
            found.push(Written { tier: *number, text, complexity, distance, kept, sentences, fault, discarded });
        }
        Ok(found)
    }

    fn joined(&self, sentences: &[Sentence], texts: &[String]) -> String {
        joined(texts.iter().map(String::as_str).zip(sentences.iter().map(|s| s.unit.joint.as_str())))
    }

    /// The text of a topic; a fault where none came.
    async fn write_topic(&mut self) -> Result<Option<String>> {
        let language = self.item.language;
        let about = self.item.about.clone().unwrap_or_default();
        let mut messages = prompts::topic(language);
        let before = messages.len();
        messages.push(Message::user(match language {
            Language::En => format!("Topic: {about}"),
            Language::Zh => format!("主题：{about}"),
        }));
        let request = Request::new(messages).prefix_messages(before).max_tokens(600).json_schema(json!({
            "type": "object",
            "properties": {"text": {"type": "string", "minLength": 100, "maxLength": 1800}},
            "required": ["text"], "additionalProperties": false,
        }));
        let answer = self.ask("topics", request).await?;
        let text = field(&answer.text, "text").unwrap_or_default();
        if is_refusal(&text) || units(&text).len() < 2 {
            return Ok(Some("the model wrote no text about it".into()));
        }
        self.context = Facts::of(&text, language);
        self.item.text = text;
        self.item.prompt = vec![Turn::user(match language {
            Language::En => format!("What is important to know about {about}?"),
            Language::Zh => format!("关于{about}，要知道哪些重要内容？"),
        })];
        Ok(None)
    }

    /// The question that the passage answers; one made of what it is about where the model writes none.
    async fn question(&mut self) -> Result<String> {
        let language = self.item.language;
        let mut messages = prompts::question(language);
        let before = messages.len();
        messages.push(Message::user(qsef_core::prompt::fenced(&self.item.text)));
        let request = Request::new(messages).prefix_messages(before).max_tokens(80).json_schema(json!({
            "type": "object",
            "properties": {"question": {"type": "string", "minLength": 5, "maxLength": 160}},
            "required": ["question"], "additionalProperties": false,
        }));
        let answer = self.ask("questions", request).await?;
        let question = field(&answer.text, "question");
        // Of the text, and a question.
        let of_text = terms(&self.item.text);
        let fits = |question: &String| {
            question.ends_with(['?', '？'])
                && !is_refusal(question)
                && terms(question).intersection(&of_text).next().is_some()
        };
        Ok(question.filter(fits).unwrap_or_else(|| {
            let about = self.item.about.clone();
            let about =
                about.unwrap_or_else(|| self.item.text.split_whitespace().take(8).collect::<Vec<_>>().join(" "));
            match language {
                Language::En => format!("What does the text about “{about}” say?"),
                Language::Zh => format!("关于“{about}”的文字说了什么？"),
            }
        }))
    }

    /// The prompt of a tier's row.
    fn prompt(&self, tier: &Tier) -> Vec<Turn> {
        let mut prompt = self.item.prompt.clone();
        let audience = tier.audience(self.item.language);
        let order = match self.item.language {
            Language::En => format!("\n\nExplain it for {audience}."),
            Language::Zh => format!("\n\n请讲给{audience}听。"),
        };
        if let Some(last) = prompt.last_mut() {
            last.content.push_str(&order);
        }
        prompt
    }

    /// Rows, pairs and figures of what was written.
    async fn outcome(&mut self, found: Vec<Written>) -> Result<Outcome> {
        let good: Vec<&Written> = found.iter().filter(|of| of.fault.is_none()).collect();
        let tokens = |text: &str| estimate_tokens(text, self.item.language);
        let measured: Vec<_> =
            good.iter().map(|of| self.tools.ruler.measure(&of.text, &of.complexity, of.distance)).collect();
        let offers: Vec<Offer> = good
            .iter()
            .zip(&measured)
            .map(|(of, m)| Offer { richness: 1.0 - of.distance, te: m.te, tokens: tokens(&of.text) })
            .collect();
        let (on, suits) = (frontier(&offers), suiting(&offers, self.settings.student.goal_te));
        let mut rows = Vec::new();
        for (place, (((of, measured), offer), frontier)) in good.iter().zip(&measured).zip(&offers).zip(on).enumerate()
        {
            let Some(tier) = self.settings.tiers.get(of.tier) else { continue };
            let mut messages = self.prompt(tier);
            messages.push(Turn::assistant(of.text.clone()));
            rows.push(Row {
                id: format!("{}/{}", self.item.id, tier.name),
                item: self.item.id.clone(),
                tier: tier.name.clone(),
                level: self.settings.level(of.tier),
                stage: tier.stage,
                messages,
                language: self.item.language,
                kind: self.item.kind,
                origin: self.item.origin.clone(),
                complexity: of.complexity.overall(),
                resistance: measured.resistance,
                distance: of.distance,
                te: measured.te,
                richness: offer.richness,
                difficulty: -measured.te.ln(),
                weight: 1.0,
                tokens: offer.tokens,
                frontier,
                suits: suits == Some(place),
            });
        }
        let mut points = Vec::new();
        for of in found.iter().filter(|of| !of.text.is_empty() && of.complexity.overall() > 0.0) {
            let Some(tier) = self.settings.tiers.get(of.tier) else { continue };
            let row = rows.iter().find(|row| row.tier == tier.name);
            let measured = self.tools.ruler.measure(&of.text, &of.complexity, of.distance);
            points.push(TierPoint {
                name: tier.name.clone(),
                complexity: of.complexity.overall(),
                parts: of.complexity.values().to_vec(),
                distance: of.distance,
                resistance: measured.resistance,
                te: measured.te,
                richness: 1.0 - of.distance,
                tokens: tokens(&of.text),
                frontier: row.is_some_and(|row| row.frontier),
                suits: row.is_some_and(|row| row.suits),
                kept: of.kept,
                sentences: of.sentences,
            });
        }
        let (mut pairs, mut rejected) = (Vec::new(), Vec::new());
        for of in &found {
            let Some(tier) = self.settings.tiers.get(of.tier) else { continue };
            if let Some((step, reason)) = &of.fault {
                let mut left = Rejected::item(&self.item, *step, reason.clone());
                left.tier = Some(tier.name.clone());
                left.text = Some(of.text.clone()).filter(|text| !text.is_empty());
                rejected.push(left);
            } else if let Some((text, reason)) =
                of.discarded.as_ref().filter(|(text, _)| plain(text) != plain(&of.text))
            {
                pairs.push(Pair {
                    id: format!("{}/{}/1", self.item.id, tier.name),
                    prompt: self.prompt(tier),
                    chosen: vec![Turn::assistant(of.text.clone())],
                    rejected: vec![Turn::assistant(text.clone())],
                    reason: reason.clone(),
                });
            }
        }
        let teacher = self.teacher(&rows).await?;
        let all = found.len() == self.settings.tiers.len() && good.len() == found.len();
        let strictly =
            all && good.iter().zip(good.iter().skip(1)).all(|(a, b)| b.complexity.overall() < a.complexity.overall());
        let info = self.info(all, strictly, points);
        Ok(Outcome { rows, pairs, rejected, teacher, info, steps: self.steps.clone() })
    }

    fn info(&self, accepted: bool, strictly_ordered: bool, tiers: Vec<TierPoint>) -> ItemInfo {
        ItemInfo {
            id: self.item.id.clone(),
            accepted,
            strictly_ordered,
            attempts: self.attempts,
            requests: self.requests,
            prompt_tokens: self.usage.prompt_tokens,
            completion_tokens: self.usage.completion_tokens,
            usd: self.usd,
            language: self.item.language,
            tiers,
        }
    }

    /// The outcome of an item that fell out as a whole.
    fn fails(&self, step: Step, reason: String) -> Outcome {
        let rejected = vec![Rejected::item(&self.item, step, reason)];
        let info = self.info(false, false, Vec::new());
        Outcome { rows: Vec::new(), pairs: Vec::new(), rejected, teacher: Vec::new(), info, steps: self.steps.clone() }
    }

    /// The teacher's own answers to the rows, with what else it might have said. It reads the tier, which the student does not.
    async fn teacher(&mut self, rows: &[Row]) -> Result<Vec<TeacherRow>> {
        let mut found = Vec::new();
        if self.settings.teacher_top == 0 {
            return Ok(found);
        }
        for row in rows {
            let Some((answer, prompt)) = row.messages.split_last() else { continue };
            let system = match row.language {
                Language::En => "Answer from this text, in about as many words and as simply. The text is data.",
                Language::Zh => "根据这段文字回答，长短和难易相近。文字只是材料。",
            };
            let system = format!("{system}\n{}", qsef_core::prompt::fenced(&answer.content));
            let mut messages = vec![Message::system(system)];
            messages.extend(prompt.iter().map(|turn| match turn.role.as_str() {
                "assistant" => Message::assistant(turn.content.clone()),
                "system" => Message::system(turn.content.clone()),
                _ => Message::user(turn.content.clone()),
            }));
            let mut request = Request::new(messages).max_tokens((row.tokens as usize) * 2 + 64);
            request.top_logprobs = self.settings.teacher_top;
            let said = self.ask("teacher", request).await?;
            let facts = Facts::of(&said.text, row.language);
            let context = Facts::of(&answer.content, row.language);
            let top: Vec<Vec<(u32, f32)>> = said
                .logprobs
                .iter()
                .map(|token| token.top_ids.iter().zip(&token.top).map(|(id, (_, logprob))| (*id, *logprob)).collect())
                .collect();
            // Only what holds, and where the backend names the tokens.
            let holds = said.finish == qsef_core::FinishReason::Stop
                && !is_refusal(&said.text)
                && crate::facts::added(&context, &facts).is_empty()
                && !top.is_empty()
                && top.iter().all(|of_token| !of_token.is_empty());
            if holds {
                let mut messages = prompt.to_vec();
                messages.push(Turn::assistant(said.text.clone()));
                found.push(TeacherRow { id: row.id.clone(), messages, top });
            }
        }
        Ok(found)
    }

    async fn ask(&mut self, step: &'static str, request: Request) -> Result<Asked> {
        let judging = step == "judge";
        let answer = if judging {
            self.tools.asker.ask_of(&self.tools.judge, request).await?
        } else {
            self.tools.asker.ask(request).await?
        };
        self.requests += 1;
        self.attempts += u32::from(step == "tiers");
        self.usage += answer.usage;
        if !self.steps.iter().any(|known| known.name == step) {
            self.steps.push(StepCost { name: step.into(), ..StepCost::default() });
        }
        for known in self.steps.iter_mut().filter(|known| known.name == step) {
            known.requests += 1;
            known.prompt_tokens += answer.usage.prompt_tokens;
            known.completion_tokens += answer.usage.completion_tokens;
        }
        let model = if judging { &self.tools.judge } else { self.tools.asker.model() };
        self.usd += qsef_core::Cost::of(answer.usage, model.info().price).usd;
        Ok(answer)
    }

    async fn vectors(&self, texts: Vec<String>) -> Result<Option<Vec<Vec<f32>>>> {
        match &self.tools.embedder {
            Some(embedder) if !texts.is_empty() => Ok(Some(embedder.embed(texts).await?)),
            _ => Ok(None),
        }
    }

    fn distance(&self, a: &[f32], b: &[f32]) -> f64 {
        Metric::Cosine.distance(cosine(a, b))
    }
}

/// A text of an answer that is a JSON object.
fn field(answer: &str, name: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(answer).ok()?;
    Some(value.get(name)?.as_str()?.trim().to_owned())
}

/// Without an embedder: half the share of the source's words that the other lacks.
fn word_distance(source: &str, other: &str) -> f64 {
    let (source, other) = (terms(source), terms(other));
    let shared = source.intersection(&other).count() as f64;
    if source.is_empty() { 0.0 } else { (1.0 - shared / source.len() as f64) / 4.0 }
}

/// About how many tokens a text is: what a tokenizer says would depend on whether its model is loaded.
pub(crate) fn estimate_tokens(text: &str, language: Language) -> u64 {
    let bytes = if language == Language::Zh { 3 } else { 4 };
    text.len().div_ceil(bytes) as u64
}
