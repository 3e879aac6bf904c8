//! Trains embeddings on a graph's triples and ranks held-out ones:
//! `cargo run --release -p qsef-knowledge --example link_prediction -- DIR [transe|rotate] [test|valid] [name=value…]`,
//! where DIR has `train.txt`, `valid.txt` and `test.txt` of tab-separated subject, relation and object.

use std::{collections::HashMap, error::Error, path::PathBuf, time::Instant};

use qsef_knowledge::{Embeddings, Geometry, TrainOptions, Triple};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("name the directory of the triples")?);
    let geometry = match arguments.next().as_deref() {
        Some("rotate") => Geometry::RotatE,
        _ => Geometry::TransE,
    };
    let part = arguments.next().unwrap_or_else(|| "test".into());
    let mut options = TrainOptions::new(geometry);
    for argument in arguments {
        let (name, value) = argument.split_once('=').ok_or("settings are name=value")?;
        match name {
            "dimensions" => options.dimensions = value.parse()?,
            "epochs" => options.epochs = value.parse()?,
            "batch" => options.batch = value.parse()?,
            "negatives" => options.negatives = value.parse()?,
            "rate" => options.rate = value.parse()?,
            "margin" => options.margin = value.parse()?,
            "hardness" => options.hardness = value.parse()?,
            "decay" => options.decay = value.parse()?,
            "seed" => options.seed = value.parse()?,
            _ => return Err(format!("there is no setting {name}").into()),
        }
    }
    let (mut entities, mut relations) = (HashMap::new(), HashMap::new());
    let mut read = |name: &str| -> Result<Vec<Triple>, Box<dyn Error>> {
        let text = std::fs::read_to_string(dir.join(format!("{name}.txt")))?;
        let number = |map: &mut HashMap<String, u32>, name: &str| {
            let next = map.len() as u32;
            *map.entry(name.to_owned()).or_insert(next)
        };
        let triples = text.lines().filter_map(|line| {
            let mut parts = line.split('\t');
            let (subject, relation, object) = (parts.next()?, parts.next()?, parts.next()?);
            Some([number(&mut entities, subject), number(&mut relations, relation), number(&mut entities, object)])
        });
        Ok(triples.collect())
    };
    let (train, valid, test) = (read("train")?, read("valid")?, read("test")?);
    let began = Instant::now();
    let embeddings = Embeddings::train(&train, entities.len(), relations.len(), &options)?;
    let seconds = began.elapsed().as_secs_f64();
    let report = if part == "valid" {
        embeddings.rank(&valid, &[train, test].concat())
    } else {
        embeddings.rank(&test, &[train, valid].concat())
    };
    println!("{options:?}\ntrained in {seconds:.1} s; {report:?}");
    Ok(())
}
