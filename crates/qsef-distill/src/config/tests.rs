use super::*;
use crate::sample::Sampling;

fn parse(more: &str) -> Result<Config> {
    let text = format!(
        "data = \"a.jsonl\"\nvalid = \"b.jsonl\"\ntest = \"b.jsonl\"\nout = \"out\"\nsteps = 10\nseeds = [1]\n{more}"
    );
    Config::parse(&text, Path::new("dir/run.toml"))
}

#[test]
fn modes_are_read_from_their_names() {
    let weights = Settings { kd: 2.0, align: 3.0, resistance: 0.5, ..Settings::default() };
    let mode = |name: &str| Mode::parse(name, &weights, 0.4);
    let none = mode("none").unwrap();
    assert_eq!((none.loss.task, none.loss.kd, none.loss.align, none.augment), (1.0, 0.0, 0.0, 0.0));
    let all = mode("qsef-kd").unwrap();
    assert_eq!((all.loss.kd, all.loss.align, all.loss.resistance, all.loss.semantic), (2.0, 3.0, 0.5, 0.0));
    assert_eq!((all.sampling, all.augment), (Sampling::Dynamic, 0.4));
    let other = mode("qsef-kd-resistance-dynamic+semantic=0.5+temperature=4-augment").unwrap();
    assert_eq!((other.loss.resistance, other.loss.semantic, other.loss.temperature), (0.0, 0.0 + 0.5, 4.0));
    assert_eq!((other.sampling, other.augment), (Sampling::Uniform, 0.0));
    assert_eq!(mode("kd+random-paced").unwrap().sampling, Sampling::RandomPaced);
    for (name, what) in [
        ("sgd", "is no mode"),
        ("kd+magic", "no part `magic`"),
        ("kd+align=x", "no number"),
        ("none-task", "nothing to learn"),
        ("kdx", "begin with + or -"),
        ("kd+augment=2", "above 1"),
        ("kd+temperature=0", "above 0"),
    ] {
        let error = mode(name).unwrap_err();
        assert!(error.contains(what), "{name}: {error}");
    }
}

#[test]
fn paths_are_from_the_file_on() {
    let config = parse("modes = [\"none\"]").unwrap();
    assert_eq!(config.data, Path::new("dir/a.jsonl"));
    assert_eq!(config.train.steps, 10);
}

#[test]
fn mistakes_have_a_line_and_a_field() {
    let teacher = "[teacher]\nkind = \"logits\"\nfile = \"x\"";
    for (more, line, what) in [
        ("modes = []", 7, "modes"),
        ("modes = [\"sgd\"]", 7, "modes"),
        ("modes = [\"kd\"]", 7, "needs a [teacher]"),
        (&format!("modes = [\"kd+align\"]\n{teacher}"), 7, "only an encoder"),
        ("modes = [\"none\"]\nfraction = 0", 8, "fraction"),
        ("modes = [\"none\"]\nfractoin = 1", 8, "fractoin"),
        ("modes = [\"none\"]\n[train]\ndropout = 1.5", 9, "dropout"),
        ("modes = [\"none\"]\n[student]\nhidden = 10\nheads = 4", 9, "hidden"),
    ] {
        let error = parse(more).unwrap_err().to_string();
        assert!(error.contains(&format!("run.toml:{line}")) && error.contains(what), "{more}: {error}");
    }
}
