//! Who can feed whom: experts as nodes, with an edge where what one gives is of a kind that the other needs.

use std::collections::{BTreeMap, BTreeSet};

use qsef_core::ExpertProfile;

use super::types::{Kind, Reading, read};

/// The share of a kind's words from which another one is taken to be the same.
const SAME: f64 = 0.6;

/// The share from which it may at least lead there: a "bank account" leads to a "bank statement".
const NEAR: f64 = 0.3;

/// How surely one expert's output is what another needs, surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// It gives that kind of thing.
    Full,
    /// It gives a thing of which the other's is a part or a sort.
    Part,
    /// It gives whatever there is, without a kind.
    Any,
    /// It gives all that is known of another thing, which may name one of that kind.
    Detail,
}

/// The experts' types, and who can feed whom. Experts are numbered in the order of their profiles.
#[derive(Debug, Clone, Default)]
pub struct TypeGraph {
    ids: Vec<String>,
    readings: Vec<Reading>,
    /// How telling each word of a kind is.
    weights: BTreeMap<String, f64>,
    /// Experts that need what a further expert has to give first.
    dependent: Vec<bool>,
}

impl TypeGraph {
    /// Reads the types of some experts. A need that no expert can meet is one that the request meets.
    pub fn new<'a>(profiles: impl IntoIterator<Item = &'a ExpertProfile>) -> Self {
        let (ids, readings): (Vec<String>, Vec<Reading>) =
            profiles.into_iter().map(|profile| (profile.id.clone(), read(profile))).unzip();
        let mut count: BTreeMap<String, f64> = BTreeMap::new();
        for reading in &readings {
            for word in reading.requires.iter().flatten().collect::<BTreeSet<_>>() {
                *count.entry(word.clone()).or_default() += 1.0;
            }
        }
        let all = readings.len() as f64;
        let weights = count.into_iter().map(|(word, n)| (word, (1.0 + all / (1.0 + n)).ln())).collect();
        let mut graph = Self { dependent: vec![false; ids.len()], ids, readings, weights };
        // A need that people can say counts where an expert fetches such things and needs nothing itself; an identifier, where
        // anything leads to it.
        let needy = |to: usize| {
            let by_id = graph.reading(to).by_id;
            (0..graph.len()).any(|from| match graph.link(from, to) {
                Some(Link::Full | Link::Part) => {
                    let giver = graph.reading(from);
                    by_id || giver.requires.is_empty() && giver.fetches
                }
                Some(_) => by_id,
                None => false,
            })
        };
        graph.dependent = (0..graph.len()).map(needy).collect();
        graph
    }

    /// Number of experts.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no expert.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// An expert's number.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.ids.iter().position(|i| i == id)
    }

    /// An expert's id.
    pub fn id(&self, expert: usize) -> &str {
        self.ids.get(expert).map_or("", String::as_str)
    }

    fn reading(&self, expert: usize) -> &Reading {
        static NOTHING: Reading = Reading {
            requires: Vec::new(),
            gives: BTreeSet::new(),
            finds: false,
            fetches: false,
            anything: false,
            details: false,
            by_id: false,
        };
        self.readings.get(expert).unwrap_or(&NOTHING)
    }

    /// The share of a kind that some words name, in [0, 1], by the weight of its words.
    fn share(&self, kind: &Kind, has: impl Fn(&String) -> bool) -> f64 {
        let weight = |word: &&String| self.weights.get(*word).copied().unwrap_or(1.0);
        let all: f64 = kind.iter().map(|w| weight(&w)).sum();
        kind.iter().filter(|w| has(w)).map(|w| weight(&w)).sum::<f64>() / all.max(f64::MIN_POSITIVE)
    }

    /// Whether, and how surely, what `from` gives is what `to` needs.
    pub fn link(&self, from: usize, to: usize) -> Option<Link> {
        let (giver, taker) = (self.reading(from), self.reading(to));
        if from == to || taker.requires.is_empty() {
            return None;
        }
        let best = taker.requires.iter().map(|kind| self.share(kind, |w| giver.gives.contains(w))).fold(0.0, f64::max);
        let own = |word: &String| giver.requires.iter().any(|kind| kind.contains(word));
        match () {
            () if best > SAME => Some(Link::Full),
            () if best > NEAR => Some(Link::Part),
            () if giver.anything && giver.requires.is_empty() => Some(Link::Any),
            // What it tells of a thing names things of other kinds.
            () if giver.details && !giver.requires.is_empty() && !taker.requires.iter().flatten().all(own) => {
                Some(Link::Detail)
            }
            () => None,
        }
    }

    /// Whether an expert needs what another expert has to give first.
    pub fn is_dependent(&self, expert: usize) -> bool {
        self.dependent.get(expert).copied().unwrap_or(false)
    }

    /// Whether an expert needs anything by its profile, met by whomever.
    pub fn has_needs(&self, expert: usize) -> bool {
        !self.reading(expert).requires.is_empty()
    }

    /// Whether an expert finds things by what the request says of them.
    pub fn finds(&self, expert: usize) -> bool {
        self.reading(expert).finds
    }

    /// Whether an expert gives things without saying of which kind.
    pub fn gives_anything(&self, expert: usize) -> bool {
        self.reading(expert).anything
    }

    /// Whether an expert is part of chains: it depends on another, or another depends on it.
    pub fn is_linked(&self, expert: usize) -> bool {
        self.is_dependent(expert)
            || (0..self.len())
                .any(|to| self.is_dependent(to) && matches!(self.link(expert, to), Some(Link::Full | Link::Part)))
    }

    /// Whether a word is one of the experts' own, so that it names nothing.
    pub fn knows(&self, word: &str) -> bool {
        let word = super::words::singular(word);
        self.readings.iter().any(|r| r.gives.contains(&word) || r.requires.iter().any(|kind| kind.contains(&word)))
    }

    /// How well an expert gives a kind, in [0, 1].
    pub fn gives(&self, expert: usize, kind: &Kind) -> f64 {
        self.share(kind, |w| self.reading(expert).gives.contains(w))
    }

    /// How well a kind is what an expert needs, in [0, 1].
    pub fn takes(&self, expert: usize, kind: &Kind) -> f64 {
        self.reading(expert).requires.iter().map(|needed| self.share(needed, |w| kind.contains(w))).fold(0.0, f64::max)
    }

    /// What an expert needs, in words.
    pub fn needs(&self, expert: usize) -> String {
        let kinds: BTreeSet<String> = self.reading(expert).requires.iter().map(|k| k.join(" ")).collect();
        kinds.into_iter().collect::<Vec<_>>().join(" or ")
    }

    /// The kinds that dependent experts need, the fullest name of each: what a chain may pass on.
    pub fn kinds(&self) -> Vec<String> {
        let needed = (0..self.len()).filter(|&e| self.is_dependent(e)).flat_map(|e| &self.reading(e).requires);
        let names: BTreeSet<String> = needed.map(|kind| kind.join(" ")).collect();
        let longer = |name: &String| names.iter().any(|other| other.starts_with(&format!("{name} ")));
        names.iter().filter(|name| !longer(name)).cloned().collect()
    }

    /// The shortest way to what an expert needs, the nearest first: experts that need nothing come first in it. `cost` says how
    /// unlikely an expert is for the request, ≥ 0; `None` where none leads there.
    pub fn providers(&self, to: usize, cost: &dyn Fn(usize) -> f64) -> Option<Vec<usize>> {
        // Dijkstra's search, backwards from the need. Registries have some hundred experts at most.
        let mut best: BTreeMap<usize, (f64, usize)> = BTreeMap::new();
        let mut open: BTreeMap<usize, f64> = BTreeMap::from([(to, 0.0)]);
        while let Some((&at, &so_far)) = open.iter().min_by(|a, b| a.1.total_cmp(b.1)) {
            open.remove(&at);
            if at != to && !self.is_dependent(at) {
                let step = |last: &usize| best.get(last).map(|(_, next)| *next).filter(|next| *next != to);
                return Some(std::iter::successors(Some(at), step).collect());
            }
            for from in (0..self.len()).filter(|&from| from != to) {
                let Some(link @ (Link::Full | Link::Part | Link::Detail)) = self.link(from, at) else { continue };
                let further = so_far + cost(from) + if link == Link::Full { 0.0 } else { 1.0 };
                if best.get(&from).is_none_or(|(known, _)| further < *known) {
                    best.insert(from, (further, at));
                    open.insert(from, further);
                }
            }
        }
        None
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Experts of a library.
    pub fn library() -> Vec<ExpertProfile> {
        let experts = [
            ("SearchAuthor", "Search and find authors."),
            ("SearchBook", "Search and find books."),
            ("PopularBooks", "Obtain a list of popular books."),
            ("GetAuthorBooks", "Retrieve the books of an author using their ID."),
            ("GetBookReviews", "Retrieve the reviews of a book using its ID."),
            ("GetBook", "Retrieve details about a book using its ID."),
            ("GetPublisherLogo", "Retrieve the logo of a publisher using its ID."),
            ("Weather", "Tell the weather of a city"),
        ];
        experts.map(|(id, description)| ExpertProfile::new(id, description)).into()
    }

    fn link(graph: &TypeGraph, from: &str, to: &str) -> Option<Link> {
        graph.link(graph.place(from).unwrap(), graph.place(to).unwrap())
    }

    #[test]
    fn experts_are_linked_by_what_they_give_and_need() {
        let graph = TypeGraph::new(&library());
        assert_eq!(link(&graph, "SearchBook", "GetBookReviews"), Some(Link::Full));
        assert_eq!(link(&graph, "GetAuthorBooks", "GetBookReviews"), Some(Link::Full));
        assert_eq!(link(&graph, "SearchAuthor", "GetBookReviews"), None);
        assert_eq!(link(&graph, "GetBook", "GetPublisherLogo"), Some(Link::Detail));
        let dependent: Vec<&str> = (0..graph.len()).filter(|e| graph.is_dependent(*e)).map(|e| graph.id(e)).collect();
        assert_eq!(dependent, ["GetAuthorBooks", "GetBookReviews", "GetBook", "GetPublisherLogo"]);
        assert_eq!(graph.kinds(), ["author", "book", "publisher"]);
        // A need that no expert meets is the request's to say.
        assert!(!graph.is_linked(graph.place("Weather").unwrap()));
        assert!(TypeGraph::new(&library()[7..]).kinds().is_empty());
    }

    #[test]
    fn providers_are_found_over_several_steps() {
        let graph = TypeGraph::new(&library());
        let way = |to: &str, dear: &[&str]| -> Vec<String> {
            let cost = |e: usize| if dear.contains(&graph.id(e)) { 5.0 } else { 0.1 };
            let way = graph.providers(graph.place(to).unwrap(), &cost).unwrap();
            way.into_iter().map(|e| graph.id(e).to_owned()).collect()
        };
        assert_eq!(way("GetBookReviews", &["PopularBooks"]), ["SearchBook"]);
        assert_eq!(way("GetBookReviews", &["SearchBook"]), ["PopularBooks"]);
        assert_eq!(way("GetBookReviews", &["SearchBook", "PopularBooks"]), ["SearchAuthor", "GetAuthorBooks"]);
        assert_eq!(way("GetPublisherLogo", &["PopularBooks"]), ["SearchBook", "GetBook"]);
        let lone = TypeGraph::new([&library()[4]]);
        assert_eq!(lone.providers(0, &|_| 0.0), None);
    }
}
