use qsef_core::{
    AnyEmbedder, AnyExpert, AnyModel, Budget, Expert, ExpertCall, ExpertProfile, Outcome, Payload, Plan,
    test_util::{LetterEmbedder, ScriptedModel},
};

use super::{
    chain::{CHOICES, MOST_CHOICES},
    graph::tests::library,
    *,
};
use crate::Planner;

struct Shelf(ExpertProfile);

impl Expert for Shelf {
    fn profile(&self) -> &ExpertProfile {
        &self.0
    }
    async fn run(&self, _: ExpertCall) -> Result<Outcome> {
        Ok(Payload::text("done").into())
    }
}

pub(super) async fn registry(profiles: Vec<ExpertProfile>) -> Registry {
    let experts = profiles.into_iter().map(|p| AnyExpert::new(Shelf(p))).collect();
    Registry::new(AnyEmbedder::new(LetterEmbedder), experts, None).await.unwrap()
}

/// The experts of a completed plan, each with the experts that feed it.
async fn completed(completer: &Completer, registry: &Registry, request: &str) -> Vec<(String, Vec<String>)> {
    let planner = Planner::new(AnyModel::new(ScriptedModel::answers([""; 0])));
    let planned = planner.plan(request).await.unwrap();
    let assignments = registry.assign(&planned.plan, &Budget::default()).await.unwrap();
    let (planned, assignments) = completer.complete(request, planned, assignments, registry).await.unwrap();
    let expert = |id: usize| assignments.iter().find(|a| a.id == id).unwrap().expert.clone();
    assert_eq!(planned.plan.subtasks.len(), assignments.len());
    // Whatever was added, the user's words stay with the last subtask.
    assert_eq!(planned.plan.subtasks.last().unwrap().task, request);
    planned.plan.subtasks.iter().map(|s| (expert(s.id), s.uses.iter().map(|u| expert(*u)).collect())).collect()
}

fn chain(experts: &[&str]) -> Vec<(String, Vec<String>)> {
    let before = |i: usize| i.checked_sub(1).map(|b| experts[b].to_owned()).into_iter().collect();
    experts.iter().enumerate().map(|(i, e)| ((*e).to_owned(), before(i))).collect()
}

fn look_ups(steps: &[(&str, &str)]) -> String {
    let steps: Vec<_> = steps.iter().map(|(what, kind)| serde_json::json!({"what": what, "kind": kind})).collect();
    serde_json::json!({"lookups": steps}).to_string()
}

#[tokio::test]
async fn unnamed_steps_come_from_the_look_ups() {
    let registry = registry(library()).await;
    let answer = look_ups(&[
        ("search the author Jane Austen", "author"),
        ("get the books of the author", "book"),
        ("get the reviews of the book", "value"),
    ]);
    let model = ScriptedModel::answers([answer]);
    let completer = Completer::new(Some(AnyModel::new(model.clone()))).confirms(false);
    let found = completed(&completer, &registry, "show me reviews of a book by Jane Austen").await;
    assert_eq!(found, chain(&["SearchAuthor", "GetAuthorBooks", "GetBookReviews"]));
    let prompt = model.requests()[0].messages.last().unwrap().as_text().unwrap();
    assert!(prompt.starts_with("Kinds: author, book, publisher\n"), "{prompt}");
}

#[tokio::test]
async fn without_a_model_the_types_alone_complete() {
    let registry = registry(library()).await;
    let found = completed(&Completer::new(None), &registry, "the reviews of the book Emma, please").await;
    assert_eq!(found, chain(&["SearchBook", "GetBookReviews"]));
}

#[tokio::test]
async fn unusable_output_of_the_model_is_no_error() {
    let registry = registry(library()).await;
    for answer in ["", "{\"lookups\":[{\"wh", "{\"lookups\":[{\"what\":\"?\",\"kind\":\"book\"}]}"] {
        let completer = Completer::new(Some(AnyModel::new(ScriptedModel::answers([answer])))).confirms(false);
        let found = completed(&completer, &registry, "the reviews of the book Emma, please").await;
        assert_eq!(found, chain(&["SearchBook", "GetBookReviews"]), "for {answer}");
    }
}

#[tokio::test]
async fn requests_for_other_experts_cost_nothing_and_stay() {
    let registry = registry(library()).await;
    // The model would fail if it were called.
    let completer = Completer::new(Some(AnyModel::new(ScriptedModel::answers([""; 0]))));
    let lone = super::tests::registry(library().split_off(7)).await;
    assert_eq!(completed(&completer, &lone, "tell me the weather of the city Lyon").await, chain(&["Weather"]));
    let off = completer.enabled(false);
    assert_eq!(completed(&off, &registry, "the reviews of the book Emma").await.len(), 1);
}

#[tokio::test]
async fn the_past_changes_the_choice() {
    let registry = registry(library()).await;
    let request = "the reviews of the books, please";
    let mut completer = Completer::new(None);
    let before = completed(&completer, &registry, request).await;
    assert_eq!(before, chain(&["PopularBooks", "GetBookReviews"]));
    let past = |request: &str| Past {
        request: request.into(),
        experts: vec!["SearchBook".into(), "GetBook".into()],
        edges: vec![("SearchBook".into(), "GetBook".into())],
    };
    completer.learn(&registry, vec![past(request), past("the review of the books, please")]).await.unwrap();
    assert_eq!(completer.transitions().len(), 2);
    let after = completed(&completer.prices(Prices { past: 3.0, ..Prices::default() }), &registry, request).await;
    assert_eq!(after.last().unwrap().0, "GetBook", "{after:?}");
}

#[tokio::test]
async fn a_choice_among_close_experts_is_respected_and_bounded() {
    // Alike but for their names: no score tells them apart.
    let mut experts = library();
    experts.extend(["One", "Two"].map(|id| ExpertProfile::new(id, "Retrieve the reviews of a book using its ID.")));
    experts.retain(|p| p.id != "GetBookReviews");
    let registry = registry(experts).await;
    let unfolded = look_ups(&[("search the book Emma", "book"), ("get the reviews of the book", "value")]);
    let mut chosen = BTreeSet::new();
    for letter in ["A", "B"] {
        let answer = format!("{{\"service\":\"{letter}\"}}");
        let model = ScriptedModel::answers([unfolded.clone(), answer, "{\"service\":\"Z\"}".into(), "never".into()]);
        let completer = Completer::new(Some(AnyModel::new(model.clone())));
        let found = completed(&completer, &registry, "the reviews of the book Emma, please").await;
        chosen.insert(found.last().unwrap().0.clone());
        // One call unfolds; the choices are bounded, and an answer that is no offer changes nothing.
        assert!((2..=1 + MOST_CHOICES).contains(&model.requests().len()));
        let qsef_core::OutputFormat::JsonSchema(schema) = &model.requests()[1].format else { panic!("no schema") };
        let offers = schema["properties"]["service"]["enum"].as_array().unwrap().len();
        assert!((2..=CHOICES).contains(&offers));
    }
    assert_eq!(chosen, ["One", "Two"].map(String::from).into());
}

#[tokio::test]
async fn a_plan_whose_needs_nobody_meets_is_refused_with_the_reason() {
    let registry = registry(library()).await;
    let plan = Plan::single("get the reviews of a book");
    let assignments = registry.assign(&plan, &Budget::default()).await.unwrap();
    let fault = check(&plan, &assignments, registry.types(), &BTreeSet::new()).remove(0);
    let error = qsef_core::Error::from(fault).to_string();
    assert!(error.contains("subtask 1 (\"get the reviews of a book\")") && error.contains("needs a book"), "{error}");
}

#[test]
fn names_are_told_from_the_experts_own_words() {
    let graph = TypeGraph::new(&library());
    let read = |text: &str| without_names(text, &graph);
    assert_eq!(read("search the Book Pride and Prejudice"), ("search the Book and".into(), true));
    assert_eq!(read("List the popular books"), ("List the popular books".into(), false));
    assert_eq!(read("reviews of \"emma\""), ("reviews of".into(), true));
    assert_eq!(read("Can I read it"), ("Can I read it".into(), false));
}

#[test]
fn the_built_in_agents_experts_wait_for_nobody() {
    let config = crate::config::AgentConfig::builtin().unwrap();
    let profiles: Vec<ExpertProfile> =
        config.experts.iter().map(|e| ExpertProfile::new(e.id.get_ref(), e.description.get_ref())).collect();
    assert_eq!(TypeGraph::new(&profiles).kinds(), [""; 0]);
}
