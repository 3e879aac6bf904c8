//! Reading by a language model, under a JSON schema. What it says has to stand in the text.

use qsef_core::{AnyModel, FinishReason, Message, Request, Result, Usage, prompt::fenced};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Found, normalise};
use crate::{KnowledgeBase, Progress, base::now_ms, prompts::RELATIONS, write::GraphWriter};

/// The relations that a model may tell of.
const KINDS: [&str; 11] = [
    "is_a",
    "part_of",
    "same_as",
    "uses",
    "requires",
    "causes",
    "produces",
    "implements",
    "located_in",
    "made_by",
    "related_to",
];

/// The most relations of one piece.
const MOST: usize = 8;

/// How sure a relation is that a model has read: about as many hold as of the surest rules.
const CONFIDENCE: f32 = 0.7;

/// How documents are read by a model.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ExtractOptions {
    /// At most so many pieces; all where it is not given.
    pub limit: Option<usize>,
    /// Only those of this source, or below this directory.
    pub source: Option<String>,
}

impl ExtractOptions {
    /// At most so many pieces.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Only those of this source, or below this directory.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// What a model read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Extracted {
    /// Pieces that it read now.
    pub pieces: usize,
    /// Relations that it told of, and that stand in their pieces.
    pub relations: usize,
    /// Those that were not known before.
    pub new: usize,
    /// What it told of that does not stand there, or has not the form.
    pub dropped: usize,
    /// What it took of the model.
    pub usage: Usage,
}

#[derive(Deserialize)]
struct Said {
    relations: Vec<SaidRelation>,
}

#[derive(Deserialize)]
struct SaidRelation {
    subject: String,
    relation: String,
    object: String,
}

impl KnowledgeBase {
    /// Has a model read relations from pieces that it has not read yet. Each piece is written by itself: what is read stays when
    /// the future is dropped, and the same call goes on there.
    ///
    /// # Errors
    /// The model's own, and [`qsef_core::Error::Io`] where the file cannot be read or written.
    pub async fn extract(
        &self,
        model: &AnyModel,
        options: &ExtractOptions,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Extracted> {
        let method = model.info().name.clone();
        let pieces = self.unread(&method, options)?;
        let mut extracted = Extracted::default();
        for (done, id) in pieces.iter().enumerate() {
            progress(Progress::Read(done, pieces.len()));
            let Some((heading, text)) = self.piece(*id)? else { continue };
            let generation = model.generate(request(&heading, &text)).await?;
            extracted.usage += generation.usage;
            let is_whole = generation.finish == FinishReason::Stop;
            let said = serde_json::from_str::<Said>(&generation.text).ok().filter(|_| is_whole);
            let told = said.as_ref().map_or(1, |said| said.relations.len());
            let found = said.map(|said| standing(said, &format!("{heading}\n{text}"))).unwrap_or_default();
            extracted.pieces += 1;
            extracted.relations += found.relations.len();
            extracted.dropped += told - found.relations.len().min(told);
            extracted.new += self.put_read(*id, &found, &method)?;
        }
        progress(Progress::Read(pieces.len(), pieces.len()));
        Ok(extracted)
    }

    fn unread(&self, method: &str, options: &ExtractOptions) -> Result<Vec<i64>> {
        let limit = options.limit.map_or(-1, |limit| limit as i64);
        self.read(|connection| {
            let sql = "SELECT c.id FROM chunks c JOIN documents d ON d.id = c.document
                       WHERE d.kind NOT IN ('code', 'csv', 'jsonl', 'triples')
                       AND c.id NOT IN (SELECT chunk FROM extracted WHERE method = ?1)
                       AND (?2 IS NULL OR EXISTS (SELECT 1 FROM sources s WHERE s.document = d.id
                            AND (s.path = ?2 OR substr(s.path, 1, length(?2) + 1) = ?2 || ?3)))
                       ORDER BY c.id LIMIT ?4";
            let separator = std::path::MAIN_SEPARATOR_STR;
            let mut rows = connection.prepare(sql)?;
            rows.query_map((method, &options.source, separator, limit), |row| row.get(0))?.collect()
        })
    }

    fn piece(&self, id: i64) -> Result<Option<(String, String)>> {
        self.read(|connection| {
            let sql = "SELECT heading, text FROM chunks WHERE id = ?1";
            connection.prepare_cached(sql)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
    }

    /// Keeps what was read from a piece, unless the piece is gone by now; how many relations are new.
    fn put_read(&self, chunk: i64, found: &Found, method: &str) -> Result<usize> {
        self.write(|transaction| {
            let sql = "SELECT document FROM chunks WHERE id = ?1";
            let document = transaction.prepare_cached(sql)?.query_row([chunk], |row| row.get(0)).optional()?;
            let Some(document) = document else { return Ok(0) };
            let sql = "INSERT OR IGNORE INTO extracted (chunk, method) VALUES (?1, ?2)";
            transaction.prepare_cached(sql)?.execute((chunk, method))?;
            let mut graph = GraphWriter::new(transaction, document, now_ms());
            let mut new = 0;
            for relation in &found.relations {
                graph.mention(&relation.subject, super::CONCEPT, chunk)?;
                graph.mention(&relation.object, super::CONCEPT, chunk)?;
                new += usize::from(graph.relation(relation, method, Some(chunk))? == Some(true));
            }
            Ok(new)
        })
    }
}

fn request(heading: &str, text: &str) -> Request {
    let name = json!({"type": "string", "minLength": 2, "maxLength": 60});
    let user = format!("{}\nWhich relations does it tell of?", fenced(&format!("{heading}\n\n{text}")));
    let mut messages = RELATIONS.clone();
    let before = messages.len();
    messages.push(Message::user(user));
    Request::new(messages).prefix_messages(before).json_schema(json!({
        "type": "object",
        "properties": {"relations": {"type": "array", "maxItems": MOST, "items": {
            "type": "object",
            "properties": {"subject": name, "relation": {"enum": KINDS}, "object": name},
            "required": ["subject", "relation", "object"],
            "additionalProperties": false,
        }}},
        "required": ["relations"],
        "additionalProperties": false,
    }))
}

/// The relations whose ends both stand in the text.
fn standing(said: Said, text: &str) -> Found {
    let text = squeezed(text);
    let stands = |name: &str| {
        let key = squeezed(&normalise(name));
        !key.is_empty() && text.contains(&key)
    };
    let mut found = Found::default();
    for SaidRelation { subject, relation, object } in said.relations {
        let is_known = found.relations.iter().any(|r| r.subject == subject && r.kind == relation && r.object == object);
        if !is_known && KINDS.contains(&relation.as_str()) && stands(&subject) && stands(&object) {
            found.relation(&subject, &relation, &object, CONFIDENCE);
        }
    }
    found
}

/// Letters and digits alone, in small letters.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use qsef_core::test_util::ScriptedModel;

    use super::*;
    use crate::AddOptions;

    #[tokio::test]
    async fn a_model_reads_each_piece_once_and_what_it_makes_up_is_dropped() {
        let base = KnowledgeBase::in_memory().unwrap();
        let options = AddOptions { extract: false, ..AddOptions::default() };
        let text = "# Harbour\n\nThe lighthouse guards the bay.\n\n# Ships\n\nA schooner carries wool.\n";
        base.add_text("note:1", text, &options).await.unwrap();
        let said = |s: &str, r: &str, o: &str| {
            format!("{{\"relations\":[{{\"subject\":\"{s}\",\"relation\":\"{r}\",\"object\":\"{o}\"}}]}}")
        };
        let model =
            ScriptedModel::answers([said("the Lighthouse", "located_in", "bay"), said("schooner", "uses", "diesel")]);
        let reader = AnyModel::new(model.clone());
        let read = base.extract(&reader, &ExtractOptions::default(), &|_| ()).await.unwrap();
        assert_eq!((read.pieces, read.relations, read.new, read.dropped), (2, 1, 1, 1));
        assert!(
            model.requests()[0].messages.last().unwrap().as_text().unwrap().contains("```\nHarbour\n\nThe lighthouse")
        );
        let graph = base.graph().unwrap();
        let facts = base.facts(&graph, graph.find("lighthouse").unwrap().id).unwrap();
        assert_eq!((facts[0].relation.as_str(), facts[0].method.as_str()), ("located_in", model_name(&reader)));
        assert!(facts[0].citation.starts_with("note:1:"));
        assert_eq!(base.extract(&reader, &ExtractOptions::default(), &|_| ()).await.unwrap().pieces, 0);
        base.remove("note:1").unwrap();
        assert!(base.graph().unwrap().is_empty());
    }

    fn model_name(model: &AnyModel) -> &str {
        &model.info().name
    }
}
