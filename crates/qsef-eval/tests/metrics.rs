//! The metrics beside reference implementations; `data/metrics.py` says which.

#![allow(clippy::unwrap_used)] // helpers of tests are test code

use qsef_eval::metrics::*;
use serde_json::Value;

fn references() -> Value {
    serde_json::from_str(include_str!("data/metrics.json")).unwrap()
}

fn list<T: serde::de::DeserializeOwned>(from: &Value) -> T {
    serde_json::from_value(from.clone()).unwrap()
}

fn slices(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

#[track_caller]
fn close(found: f64, reference: &Value, within: f64) {
    let reference = reference.as_f64().unwrap();
    assert!((found - reference).abs() < within, "{found}, where the reference has {reference}");
}

#[test]
fn classes() {
    let all = &references()["classes"];
    let (truth, found): (Vec<usize>, Vec<usize>) = (list(&all["truth"]), list(&all["found"]));
    close(accuracy(&truth, &found), &all["accuracy"], 1e-12);
    close(macro_f1(&truth, &found), &all["macro_f1"], 1e-12);
    let second = binary(&truth, &found, 2).unwrap();
    close(second.sensitivity, &all["sensitivity_of_2"], 1e-12);
    close(second.specificity, &all["specificity_of_2"], 1e-12);
    assert_eq!(binary(&[1, 1], &[1, 0], 1), None);
    assert_eq!((accuracy(&[], &[]), macro_f1(&[], &[])), (0.0, 0.0));
}

#[test]
fn spans() {
    let all = &references()["spans"];
    let read = |name: &str| -> Vec<Vec<LabelledSpan>> {
        let texts: Vec<Vec<[usize; 3]>> = list(&all[name]);
        texts.iter().map(|text| text.iter().map(|[start, end, label]| (*start..*end, *label)).collect()).collect()
    };
    let found = span_scores(&read("truth"), &read("found"));
    close(found.precision, &all["precision"], 1e-12);
    close(found.recall, &all["recall"], 1e-12);
    close(found.f1, &all["f1"], 1e-12);
    close(found.macro_f1, &all["macro_f1"], 1e-12);
    assert_eq!(span_scores(&[], &[]), SpanScores::default());
}

#[test]
fn calibration() {
    let all = &references()["calibration"];
    let (probabilities, happened): (Vec<f64>, Vec<bool>) = (list(&all["probabilities"]), list(&all["happened"]));
    close(brier(&probabilities, &happened), &all["brier"], 1e-12);
    close(expected_calibration_error(&probabilities, &happened, 10), &all["ece_10"], 1e-12);
    close(expected_calibration_error(&probabilities, &happened, 15), &all["ece_15"], 1e-12);
}

#[test]
fn likeness_of_vectors() {
    let all = &references()["cka"];
    let (a, b): (Vec<Vec<f32>>, Vec<Vec<f32>>) = (list(&all["a"]), list(&all["b"]));
    close(linear_cka(&a, &b).unwrap(), &all["linear"], 1e-5);
    assert!((linear_cka(&a, &a).unwrap() - 1.0).abs() < 1e-6);
    assert_eq!(linear_cka(&a, &b[1..]), None);
    assert_eq!(linear_cka(&[vec![1.0], vec![1.0]], &[vec![1.0], vec![2.0]]), None);
}

#[test]
fn ranks_and_pairs() {
    let all = &references()["spearman"];
    let found = spearman(&list::<Vec<f64>>(&all["a"]), &list::<Vec<f64>>(&all["b"])).unwrap();
    close(found.rho, &all["rho"], 1e-12);
    close(found.p, &all["p"], 1e-9);
    assert!(found.interval.0 < found.rho && found.rho < found.interval.1);
    assert_eq!(spearman(&[1.0; 5], &[1.0, 2.0, 3.0, 4.0, 5.0]), None);
    let all = &references()["paired"];
    let found = paired(&list::<Vec<f64>>(&all["differences"])).unwrap();
    close(found.t, &all["t"], 1e-9);
    close(found.p, &all["p"], 1e-9);
    assert_eq!(paired(&[0.1, 0.1]), None);
    // But for rounding.
    assert_eq!(paired(&[0.92 - 0.90, 0.94 - 0.92, 0.91 - 0.89]), None);
    assert_eq!(paired(&[0.92 - 0.90, 0.94 - 0.92, 0.91 - 0.89]), None);
}

#[test]
fn texts() {
    let all = &references()["texts"];
    let (written, wanted): (Vec<String>, Vec<String>) = (list(&all["written"]), list(&all["references"]));
    for (i, (written, wanted)) in written.iter().zip(&wanted).enumerate() {
        for (k, found) in
            [rouge_n(written, wanted, 1), rouge_n(written, wanted, 2), rouge_l(written, wanted)].iter().enumerate()
        {
            let reference = &all["rouge"][i][k];
            close(found.precision, &reference[0], 1e-12);
            close(found.recall, &reference[1], 1e-12);
            close(found.f1, &reference[2], 1e-12);
        }
        close(bleu(&[written], &[wanted]), &all["bleu_each"][i], 1e-9);
    }
    close(bleu(&slices(&written), &slices(&wanted)), &all["bleu"], 1e-9);
    assert_eq!((bleu(&[], &[]), rouge_l("", "").f1), (0.0, 0.0));
}

#[test]
fn experts() {
    assert_eq!(specialisation(&[true, true, false, true], &[false, true]), 0.25);
    // (1, 0.5) is beaten by (1, 0.6), (3, 0.6) by it, too; (2, 0.7) and the dearest stay.
    let points = [(1.0, 0.5), (1.0, 0.6), (3.0, 0.6), (2.0, 0.7), (9.0, 0.9), (9.0, 0.9), (f64::NAN, 1.0)];
    assert_eq!(pareto(&points), [1, 3, 4]);
}
