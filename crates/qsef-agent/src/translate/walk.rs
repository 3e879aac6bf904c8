use std::collections::BTreeMap;

use qsef_core::{AnyExpert, Cost, ExpertCall, Format, Input, Means, Modality, Payload};

use super::{
    Consumer, Graph, HandOff, Kind, Takes, Translation,
    graph::{Made, Step},
    loss::survives,
    record,
};

/// What experts on the way have made, by the path up to them: nothing is paid for twice.
#[derive(Default)]
pub(super) struct Paid(BTreeMap<Vec<usize>, Payload>);

/// One way through the graph.
pub(super) struct Walk<'a> {
    pub(super) graph: &'a Graph,
    pub(super) path: &'a [usize],
    pub(super) goals: &'a [(Kind, Format)],
}

impl Walk<'_> {
    /// Takes a payload along the way; the adapter to bar and why, where it does not get there whole.
    pub(super) async fn run(
        &self,
        source: &Payload,
        consumer: &Consumer,
        paid: &mut Paid,
        cost: &mut Cost,
    ) -> Result<Translation, (usize, String)> {
        let mut made = Made::from(source.clone());
        let mut hand_off = HandOff { means: Means::Adapters, ..record(source) };
        hand_off.path.extend(Kind::of(source).map(|kind| kind.name().to_owned()));
        let (mut extracts, mut picks, mut last) = (false, false, 0);
        for (done, index) in (1..).zip(self.path) {
            last = *index;
            let Some(adapter) = self.graph.get(last) else { continue };
            let prefix = self.path.get(..done).unwrap_or_default();
            let mut next = match &adapter.step {
                Step::Function(convert) => {
                    let ends = done == self.path.len();
                    let goal = self.goals.iter().find(|(kind, _)| ends && *kind == adapter.to);
                    let any = Format::Code(String::new());
                    convert(&made.payload, goal.map_or(&any, |(_, format)| format)).map_err(|reason| (last, reason))?
                }
                Step::Expert(expert) => match paid.0.get(prefix) {
                    Some(payload) => payload.clone().into(),
                    None => {
                        let payload = by_expert(expert, adapter.to, &made.payload, cost)
                            .await
                            .map_err(|reason| (last, reason))?;
                        paid.0.insert(prefix.to_vec(), payload.clone());
                        payload.into()
                    }
                },
            };
            next.notes.splice(..0, made.notes);
            made = next;
            hand_off.path.push(adapter.to.name().to_owned());
            hand_off.expected_loss += adapter.loss;
            extracts |= adapter.takes != Takes::Whole;
            picks |= adapter.takes == Takes::Value;
        }
        consumer.fit(&mut made.payload);
        consumer.reads(&made.payload).map_err(|reason| (last, reason))?;
        let loss = survives(source, &made.payload);
        // A block or a value leaves its prose behind, which is said but is no failure. A value that was negated is one: "not 36 km"
        // is not 36 km.
        if !loss.is_none() && (!extracts || picks && loss.negation) {
            return Err((last, format!("it would lose {}", loss.missing.join(", "))));
        }
        hand_off.to.clone_from(&made.payload.format);
        hand_off.missing = loss.missing;
        hand_off.notes = made.notes;
        Ok(Translation { payload: made.payload, hand_off })
    }
}

/// Lets an expert turn a signal into what it gives. Its output is not trusted to be in the format that it names.
async fn by_expert(expert: &AnyExpert, to: Kind, payload: &Payload, cost: &mut Cost) -> Result<Payload, String> {
    let mut call = ExpertCall::new(match payload.modality {
        Modality::Audio => "Write down what is said.",
        _ => "Describe what the image shows, with all text and numbers in it.",
    });
    call.inputs.push(Input { from: 0, task: "the input".into(), payload: payload.clone() });
    let outcome = expert.run(call).await.map_err(|e| e.to_string())?;
    *cost += outcome.cost;
    if Kind::of(&outcome.payload) != Some(to) {
        return Err(format!("expert `{}` did not make {} of it", expert.profile().id, to.name()));
    }
    Ok(outcome.payload)
}
