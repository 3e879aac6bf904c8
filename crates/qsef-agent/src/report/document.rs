//! A run as the JSON document that scripts read.

use qsef_core::Payload;
use serde_json::{Value, json};

use crate::{Judgement, RunReport};

impl RunReport {
    /// The run as one JSON document, the one that `qsef ask --json` prints; with `explain`, each subtask with its scores.
    pub fn document(&self, explain: bool, judgement: Option<&Judgement>) -> Value {
        let subtasks: Vec<Value> = self
            .subtasks
            .iter()
            .map(|s| {
                let mut row = json!({
                    "id": s.id, "task": s.task, "after": s.after, "uses": s.uses, "expert": s.expert, "te": s.te,
                    "status": s.status, "cost_usd": s.cost.usd, "elapsed_ms": s.elapsed.as_millis() as u64,
                    "output_type": s.output_type, "output": s.output.as_ref().map(|o| &o.value),
                });
                if let (Some(error), Some(row)) = (&s.error, row.as_object_mut()) {
                    row.insert("error".into(), json!(error));
                }
                if let (false, Some(row)) = (s.hand_offs.is_empty(), row.as_object_mut()) {
                    row.insert("hand_offs".into(), json!(s.hand_offs));
                }
                if let (Some(agreement), Some(row)) = (s.agreement, row.as_object_mut()) {
                    row.insert("agreement".into(), json!(agreement));
                    let made = |(expert, output): &(String, Option<Payload>)| json!({"expert": expert, "output": output.as_ref().map(|o| &o.value)});
                    row.insert("committee".into(), s.committee.iter().map(made).collect());
                }
                if let (true, Some(row)) = (explain, row.as_object_mut()) {
                    row.insert("why".into(), json!(s.why));
                    row.insert("scores".into(), json!(s.scores));
                }
                row
            })
            .collect();
        let mut document = json!({
            "answer": self.answer,
            "plan": {"subtasks": subtasks, "repairs": self.repairs, "analysis": self.analysis},
            "usage": {
                "prompt_tokens": self.usage.prompt_tokens, "completion_tokens": self.usage.completion_tokens,
                "by_model": self.by_model,
            },
            "cost_usd": self.cost_usd,
            "elapsed_ms": self.elapsed.as_millis() as u64,
            "trace_id": self.trace_id,
        });
        if let (false, Some(document)) = (self.claims.is_empty(), document.as_object_mut()) {
            document.insert("claims".into(), json!(self.claims));
        }
        if let (Some(limit), Some(document)) = (&self.exhausted, document.as_object_mut()) {
            document.insert("exhausted".into(), json!(limit));
        }
        if let (true, Some(document)) = (self.paused, document.as_object_mut()) {
            document.insert("paused".into(), json!(true));
        }
        if let (Some(judgement), Some(document)) = (judgement, document.as_object_mut()) {
            document.insert("judgement".into(), json!(judgement));
        }
        document
    }
}
