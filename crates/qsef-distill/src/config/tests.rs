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
    assert_eq!(mode("qsef-kd+staged-dynamic").unwrap().sampling, Sampling::Staged);
    for (name, what) in [
        ("sgd", "is no mode"),
        ("kd+magic", "no part `magic`"),
        ("kd+align=x", "no number"),
        ("none-task", "nothing to learn"),
        ("kdx", "begin with + or -"),
        ("kd+augment=2", "above 1"),
        ("kd+temperature=0", "above 0"),
        ("kd+dynamic=0", "`dynamic` has none here"),
        ("qsef-kd-align=2", "`align` has none here"),
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
fn what_a_table_leaves_out_is_as_without_it() {
    let whole = parse("modes = [\"none\"]").unwrap().loss;
    let part = parse("modes = [\"none\"]\n[loss]\ntemperature = 4").unwrap().loss;
    assert_eq!(part, Settings { temperature: 4.0, ..whole });
    assert_eq!((part.kd, part.align), (1.0, 1.0));
}

#[test]
fn mistakes_have_a_line_and_a_field() {
    let teacher = "[teacher]\nkind = \"logits\"\nfile = \"x\"";
    let encoder = "[teacher]\nkind = \"encoder\"\nbase = \"x\"";
    for (more, line, what) in [
        ("modes = []", 7, "modes"),
        ("modes = [\"sgd\"]", 7, "modes"),
        ("modes = [\"kd\"]", 7, "needs a [teacher]"),
        (&format!("modes = [\"kd+align\"]\n{teacher}"), 7, "only an encoder"),
        ("modes = [\"none\"]\nfraction = 0", 8, "fraction"),
        ("modes = [\"none\"]\nfractoin = 1", 8, "fractoin"),
        ("modes = [\"none\"]\n[train]\ndropout = 1.5", 9, "dropout"),
        ("modes = [\"none\"]\n[student]\nhidden = 10\nheads = 4", 9, "hidden"),
        ("modes = [\"none\", \"none\"]", 7, "`none` stands there twice"),
        (&format!("modes = [\"kd+maps\"]\n{encoder}"), 7, "`layers` in [loss]"),
        (&format!("modes = [\"kd+align\"]\n{encoder}\n[loss]\ntokens = true"), 7, "states of tokens"),
        ("modes = [\"none\"]\n[loss]\nkd = -1", 9, "kd"),
        ("modes = [\"none+dynamic\"]\n[train]\nbatch = 1", 7, "half of a batch"),
        ("modes = [\"none\"]\n[train]\npatience = 0", 9, "patience"),
        ("modes = [\"none\"]\n[loss]\ntemperature = 0", 9, "temperature"),
        ("modes = [\"none\"]\n[train]\nbatch = 4\n[train.optimiser]\nbeta1 = 1", 11, "beta1"),
        (&format!("modes = [\"none\"]\n{encoder}\nsmoothing = 7\n[train]\nbatch = 4"), 11, "smoothing"),
        (&format!("modes = [\"none\"]\n[train]\nbatch = 4\n{encoder}\n[teacher.train]\n  batch = 0"), 14, "batch"),
        ("modes = [\"none\"]\n[teacher]\nkind = \"ensemble\"\nmembers = []", 10, "at least one teacher"),
    ] {
        let error = parse(more).unwrap_err().to_string();
        assert!(error.contains(&format!("run.toml:{line} ")) && error.contains(what), "{more}: {error}");
    }
}
