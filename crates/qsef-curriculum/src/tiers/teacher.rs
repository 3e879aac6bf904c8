//! A teacher's own answers to the rows, with its probabilities.

use qsef_core::{FinishReason, Message, Request, Result, prompt::fenced};

use super::{Work, check::is_refusal};
use crate::{
    facts::{Facts, added},
    item::{Language, Row, TeacherRow, Turn},
};

impl Work<'_> {
    /// The teacher's own answers to the rows, with what else it might have said. It reads the tier, which the student does not.
    pub(super) async fn teacher(&mut self, rows: &[Row]) -> Result<Vec<TeacherRow>> {
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
            let system = format!("{system}\n{}", fenced(&answer.content));
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
            let holds = said.finish == FinishReason::Stop
                && !is_refusal(&said.text)
                && added(&context, &facts).is_empty()
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
}
