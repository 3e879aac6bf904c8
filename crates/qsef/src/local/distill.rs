//! Distillation with the models of this machine.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use qsef_core::{Error, Result};
use qsef_distill::{
    config::Config,
    decoder::{Tune, Tuned, tune},
    run::{Event, Host, Results, Said},
    teacher::of_model,
};
use tokio::runtime::Handle;

use super::Models;

/// How long an answer may go on after the work was cancelled.
const CHECK_EVERY: Duration = Duration::from_millis(50);

impl Models {
    /// Does a grid of training runs; `on` hears how far it is, from another thread. Dropping the future ends the work after the current
    /// step, with a checkpoint: the same call goes on from there.
    ///
    /// # Errors
    /// As [`qsef_distill::run::run`].
    pub async fn distill(&self, config: Config, on: impl Fn(&Event) + Send + 'static) -> Result<Results> {
        let runtime = Handle::current();
        self.blocking(move |models, cancel| {
            let host = Host {
                resolve: &|name: &Path| models.encoder_dir(name, cancel),
                ask: &|name: &str, labels: &[String], texts: &[String], said: &mut Said<'_>| {
                    let model = models.model(name)?;
                    runtime.block_on(async {
                        tokio::select! {
                            answered = of_model(&model, labels, texts, said) => answered,
                            () = cancelled(cancel) => Err(Error::Cancelled),
                        }
                    })
                },
                on: &on,
                cancel,
            };
            qsef_distill::run::run(&config, &host)
        })
        .await
    }

    /// Trains a small decoder on a file's answers; its base is a name of the manifest, which is fetched, or a GGUF file. `on` hears how far
    /// it is, from another thread. Dropping the future ends the work after the current step, with a checkpoint: the same call goes on
    /// from there.
    ///
    /// # Errors
    /// As [`qsef_distill::decoder::tune`], and those of fetching.
    pub async fn tune(&self, mut work: Tune, on: impl Fn(&Event) + Send + 'static) -> Result<Tuned> {
        self.blocking(move |models, cancel| {
            work.base = models.file(&work.base.to_string_lossy(), cancel)?;
            tune(&work, &on, cancel)
        })
        .await
    }

    /// The directory of an encoder: a path where it is one, else a name of the manifest, which is fetched.
    fn encoder_dir(&self, name: &Path, cancel: &AtomicBool) -> Result<PathBuf> {
        if name.components().count() > 1 || name.join("config.json").is_file() {
            return Ok(name.to_owned());
        }
        let name = name.to_str().ok_or_else(|| Error::Input(format!("{} is no model's name", name.display())))?;
        Ok(self.files(name, cancel)?.dir)
    }
}

async fn cancelled(flag: &AtomicBool) {
    while !flag.load(Ordering::Relaxed) {
        tokio::time::sleep(CHECK_EVERY).await;
    }
}
