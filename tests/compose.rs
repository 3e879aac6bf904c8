//! One text of several results, written by a real model: what it says is in the results, or they are joined as they are.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are test code

use qsef::{
    AnyExpert, DEFAULT_EMBEDDER, DEFAULT_MODEL, ExpertProfile, Hub, Models, Payload, Registry, RunOptions,
    experts::FnExpert, translate::survives,
};

#[tokio::test]
async fn the_default_model_tells_the_results_or_they_are_joined() {
    let models = Models::open(|_| {}).unwrap();
    let mut composed = 0;
    let cases = [
        ("How far is it from Lyon to Geneva? Is there a direct train?", ["151 km by road", "Yes, but not on Sundays."]),
        (
            "Who painted the Night Watch? Where does the painting hang?",
            ["Rembrandt painted it in 1642.", "It hangs in the Rijksmuseum in Amsterdam."],
        ),
        ("《活着》这本书多少钱？然后告诉我作者是谁。", ["68元", "作者是余华。"]),
    ];
    for (request, results) in cases {
        let marks = |c: char| c == '?' || c == '？';
        let tasks: Vec<&str> = request.splitn(2, marks).collect();
        let experts = [0, 1].map(|i| {
            let profile = ExpertProfile::new(format!("expert-{i}"), tasks[i]).examples([tasks[i]]);
            AnyExpert::new(FnExpert::new(profile, move |_| Ok(Payload::text(results[i]))))
        });
        let registry = Registry::new(models.embedder(DEFAULT_EMBEDDER).await.unwrap(), experts.into(), None).await;
        let hub = Hub::new(models.model(DEFAULT_MODEL).unwrap(), registry.unwrap());
        let mut options = RunOptions::default();
        options.compose = true;
        let began = std::time::Instant::now();
        let report = hub.run(request, options).await.unwrap();
        eprintln!("{:?}, {:?}: {}\n  {:?}", began.elapsed(), report.planning, report.answer, report.claims);
        assert_eq!(report.subtasks.len(), 2, "{:?}", report.subtasks);
        for result in results {
            assert!(survives(&Payload::text(result), &Payload::text(report.answer.as_str())).is_none(), "{result}");
        }
        if report.claims.is_empty() {
            assert!(report.answer.contains("**"), "{}", report.answer);
        } else {
            composed += 1;
            assert!(report.claims.iter().all(|c| !c.subtasks.is_empty() && report.answer.contains(&c.text)));
        }
    }
    assert!(composed > 0, "the model composed none of them");
}
