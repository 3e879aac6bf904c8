//! Adding documents: walking, reading and cutting on one thread, embedding and writing on others, in groups that are
//! written as a whole.

use std::{
    collections::{HashMap, HashSet},
    io::Read as _,
    path::{Path, PathBuf},
};

use qsef_core::{AnyEmbedder, Error, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::{
    KnowledgeBase,
    chunk::{Chunk, chunks},
    documents::{DocumentKind, MAX_BYTES, Parsed, parse},
    remove,
    walk::{File, walk},
    write::{self, Piece, Prepared, Put},
};

/// Pieces that are embedded and written together: enough for full batches, and few enough that a crash costs seconds.
const GROUP: usize = 256;

/// How documents are added.
#[derive(Debug, Clone)]
pub struct AddOptions {
    /// Makes the vectors by which pieces are found by meaning; without one they are found by words alone.
    pub embedder: Option<AnyEmbedder>,
    /// Whether concepts and relations are read from them, by rules.
    pub extract: bool,
}

impl Default for AddOptions {
    fn default() -> Self {
        Self { embedder: None, extract: true }
    }
}

/// How far adding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// So many files are to be looked at.
    Found(usize),
    /// So many of them are done, with so many new pieces.
    Done {
        /// Files.
        files: usize,
        /// Pieces that are in the base now.
        chunks: usize,
    },
    /// So many pieces that had no vectors have some now, of so many.
    Embedded(usize, usize),
    /// A model has read so many pieces, of so many.
    Read(usize, usize),
    /// So many names of concepts are embedded, of so many.
    Compared(usize, usize),
}

/// A file that was not added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// What was added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Added {
    /// Files that were not there before.
    pub new: usize,
    /// Files that were read anew because they had changed.
    pub changed: usize,
    /// Files that are as they were.
    pub unchanged: usize,
    /// Files whose content is there from elsewhere.
    pub duplicates: usize,
    /// Files that are gone from a directory that was added, and so from the base.
    pub gone: usize,
    /// New pieces.
    pub chunks: usize,
    /// Pieces that got vectors.
    pub embedded: usize,
    /// Files that could not be added.
    pub left: Vec<Left>,
}

/// What the reading thread says of a file.
enum Read {
    Found(usize),
    Unchanged,
    /// Known content: only the source is to be noted.
    Known(File, i64),
    Ready(Box<Prepared>),
    Left(Left),
}

impl KnowledgeBase {
    /// Adds files, and all documents below directories. Only what is new or has changed is read; what is gone from a
    /// directory leaves the base. A file that cannot be read is left out and told of. Dropping the future ends the work soon:
    /// what has been written by then stays, and the same call does the rest.
    ///
    /// # Errors
    /// [`Error::Input`] for a path that does not exist and for another embedder than the base's, [`Error::Io`] where the
    /// base cannot be written, and the embedder's own.
    pub async fn add(
        &self,
        paths: &[PathBuf],
        options: &AddOptions,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Added> {
        if let Some(embedder) = &options.embedder {
            self.claim(embedder)?;
        }
        let (sender, receiver) = channel(32);
        let (base, paths, extract) = (self.clone(), paths.to_vec(), options.extract);
        let reading = tokio::task::spawn_blocking(move || base.read_all(&paths, extract, &sender));
        let mut added = self.take(receiver, options, progress).await?;
        added.gone = reading.await.map_err(|e| Error::Internal(format!("reading ended: {e}")))??;
        if let Some(embedder) = &options.embedder {
            added.embedded += self.embed_missing(embedder, progress).await?;
        }
        Ok(added)
    }

    /// Adds a text that is in no file, in place of what was added under this name before. It is read as Markdown.
    ///
    /// # Errors
    /// As [`KnowledgeBase::add`].
    pub async fn add_text(&self, name: &str, text: &str, options: &AddOptions) -> Result<Added> {
        self.add_text_of(name, text, options, 1.0).await
    }

    /// `trust`, in [0, 1], is what the confidence of its relations is multiplied by.
    pub(crate) async fn add_text_of(&self, name: &str, text: &str, options: &AddOptions, trust: f32) -> Result<Added> {
        if let Some(embedder) = &options.embedder {
            self.claim(embedder)?;
        }
        let (sender, receiver) = channel(1);
        let parsed = parse(Path::new("text.md"), text.as_bytes()).map_err(Error::Input)?;
        let parsed = Parsed { title: name.to_owned(), ..parsed };
        let file = File { path: PathBuf::from(name), bytes: text.len() as u64, modified_ns: 0 };
        let mut prepared = prepare(&file, hash(name.as_bytes(), text.as_bytes()), &parsed, options.extract);
        let relations = prepared.pieces.iter_mut().flat_map(|piece| &mut piece.found.relations);
        relations.for_each(|relation| relation.confidence *= trust);
        let _ = sender.send(Read::Ready(Box::new(prepared))).await;
        drop(sender);
        self.take(receiver, options, &|_| ()).await
    }

    /// Makes sure that the base's vectors are this embedder's.
    fn claim(&self, embedder: &AnyEmbedder) -> Result<()> {
        match self.write(|transaction| write::note_embedder(transaction, embedder.name()))? {
            None => Ok(()),
            Some(other) => Err(Error::Input(format!(
                "the knowledge base {} has vectors of the embedder `{other}`; add with that one, or begin a new base",
                self.path().display()
            ))),
        }
    }

    /// Reads what is below paths, and sends what is new; how many sources are gone. Ends early where nobody listens.
    fn read_all(&self, paths: &[PathBuf], extract: bool, sender: &Sender<Read>) -> Result<usize> {
        let (files, left) = walk(paths)?;
        let gone = self.forget_gone(paths, &files)?;
        let known = self.known()?;
        let hashes = self.hashes()?;
        let send = |read: Read| sender.blocking_send(read).is_ok();
        if !send(Read::Found(files.len())) || !left.into_iter().all(|left| send(Read::Left(left))) {
            return Ok(gone);
        }
        for file in files {
            let source = file.path.to_string_lossy().into_owned();
            let same = known.get(&source).is_some_and(|state| *state == (file.bytes, file.modified_ns));
            let read = if same { Read::Unchanged } else { read_one(file, &hashes, extract) };
            if !send(read) {
                break;
            }
        }
        Ok(gone)
    }

    /// Size and time of change of every source.
    fn known(&self) -> Result<HashMap<String, (u64, i64)>> {
        self.read(|connection| {
            let mut rows = connection.prepare("SELECT path, bytes, modified_ns FROM sources")?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, (row.get::<_, i64>(1)? as u64, row.get(2)?)));
            rows.query_map([], row)?.collect()
        })
    }

    fn hashes(&self) -> Result<HashMap<Vec<u8>, i64>> {
        self.read(|connection| {
            let mut rows = connection.prepare("SELECT hash, id FROM documents")?;
            rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    /// Removes the sources below directories that are no longer there.
    fn forget_gone(&self, paths: &[PathBuf], files: &[File]) -> Result<usize> {
        let here: HashSet<String> = files.iter().map(|f| f.path.to_string_lossy().into_owned()).collect();
        let roots = paths.iter().filter_map(|path| path.canonicalize().ok()).filter(|path| path.is_dir());
        let roots: Vec<String> = roots.map(|root| root.to_string_lossy().into_owned()).collect();
        let mut gone = self.read(|connection| {
            let moment = connection.unchecked_transaction()?;
            let below: rusqlite::Result<Vec<Vec<String>>> =
                roots.iter().map(|root| remove::below(&moment, root)).collect();
            Ok(below?.concat())
        })?;
        gone.retain(|source| !here.contains(source) && !Path::new(source).exists());
        if gone.is_empty() {
            return Ok(0);
        }
        Ok(self.write(|transaction| remove::remove(transaction, &gone))?.sources as usize)
    }

    /// Takes what is read, embeds it and writes it, group by group.
    async fn take(
        &self,
        mut receiver: Receiver<Read>,
        options: &AddOptions,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Added> {
        let mut added = Added::default();
        let (mut files, mut group, mut pieces) = (0, Vec::new(), 0);
        while let Some(read) = receiver.recv().await {
            match read {
                Read::Found(count) => progress(Progress::Found(count)),
                Read::Left(left) => {
                    files += 1;
                    added.left.push(left);
                }
                Read::Unchanged => {
                    files += 1;
                    added.unchanged += 1;
                    progress(Progress::Done { files, chunks: added.chunks });
                }
                Read::Known(file, document) => {
                    files += 1;
                    self.note(file, document, &mut added)?;
                }
                Read::Ready(document) => {
                    pieces += document.pieces.len();
                    group.push(*document);
                }
            }
            if pieces >= GROUP {
                files += group.len();
                self.put(std::mem::take(&mut group), options, &mut added).await?;
                pieces = 0;
                progress(Progress::Done { files, chunks: added.chunks });
            }
        }
        files += group.len();
        self.put(group, options, &mut added).await?;
        progress(Progress::Done { files, chunks: added.chunks });
        Ok(added)
    }

    fn note(&self, file: File, document: i64, added: &mut Added) -> Result<()> {
        let source = file.path.to_string_lossy().into_owned();
        let before = self.write(|transaction| {
            let before = write::note_source(transaction, &file, &source, document)?;
            if let Some(before) = before.filter(|before| *before != document) {
                remove::remove_if_orphan(transaction, before, &mut remove::Removed::default())?;
            }
            Ok(before)
        })?;
        // Touched, but as it was.
        if before == Some(document) {
            added.unchanged += 1
        } else {
            added.duplicates += 1
        }
        Ok(())
    }

    /// Embeds and writes a group.
    async fn put(&self, mut group: Vec<Prepared>, options: &AddOptions, added: &mut Added) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        if let Some(embedder) = &options.embedder {
            let mut pieces: Vec<&mut Piece> = group.iter_mut().flat_map(|document| &mut document.pieces).collect();
            for part in pieces.chunks_mut(GROUP) {
                let texts = part.iter().map(|piece| piece.chunk.to_embed()).collect();
                let vectors = embedder.embed(texts).await?;
                part.iter_mut().zip(vectors).for_each(|(piece, vector)| piece.vector = Some(vector));
                added.embedded += part.len();
            }
        }
        let base = self.clone();
        let write = move || {
            base.write(|transaction| {
                let put = |document: &Prepared| Ok((write::put(transaction, document)?, document.pieces.len()));
                group.iter().map(put).collect::<rusqlite::Result<Vec<_>>>()
            })
        };
        let put =
            tokio::task::spawn_blocking(write).await.map_err(|e| Error::Internal(format!("writing ended: {e}")))??;
        for (put, pieces) in put {
            match put {
                Put::New => added.new += 1,
                Put::Changed => added.changed += 1,
                Put::Known => added.duplicates += 1,
            }
            added.chunks += if put == Put::Known { 0 } else { pieces };
        }
        Ok(())
    }

    /// Makes the vectors of pieces that have none; how many.
    async fn embed_missing(
        &self,
        embedder: &AnyEmbedder,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<usize> {
        let missing = self.read(|connection| {
            let sql = "SELECT id FROM chunks WHERE id NOT IN (SELECT chunk FROM vectors)";
            connection.prepare(sql)?.query_map([], |row| row.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        for (done, part) in missing.chunks(GROUP).enumerate() {
            let texts = self.read(|connection| {
                let mut text = connection.prepare_cached("SELECT heading, text FROM chunks WHERE id = ?1")?;
                let text = |id: &i64| {
                    text.query_row([id], |row| {
                        let chunk = Chunk { place: crate::Place::Lines(1, 1), heading: row.get(0)?, text: row.get(1)? };
                        Ok(chunk.to_embed())
                    })
                };
                part.iter().map(text).collect::<rusqlite::Result<Vec<_>>>()
            })?;
            let vectors = embedder.embed(texts).await?;
            self.write(|transaction| {
                part.iter().zip(&vectors).try_for_each(|(id, vector)| write::put_vector(transaction, *id, vector))
            })?;
            progress(Progress::Embedded((done * GROUP) + part.len(), missing.len()));
        }
        Ok(missing.len())
    }
}

fn read_one(file: File, hashes: &HashMap<Vec<u8>, i64>, extract: bool) -> Read {
    let left = |why: String| Read::Left(Left { path: file.path.clone(), why });
    let mut bytes = Vec::new();
    // It may have grown since the walk, and without end.
    let read = std::fs::File::open(&file.path).and_then(|open| open.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(read) if read as u64 > MAX_BYTES => return left("it grows while it is read".into()),
        Ok(_) => {}
        Err(error) => return left(error.to_string()),
    }
    // The same bytes under another kind of name are read in another way.
    let kind = DocumentKind::of(&file.path).unwrap_or(DocumentKind::Text);
    let hash = hash(kind.name().as_bytes(), &bytes);
    if let Some(document) = hashes.get(hash.as_slice()) {
        return Read::Known(file, *document);
    }
    match parse(&file.path, &bytes) {
        Ok(parsed) => Read::Ready(Box::new(prepare(&file, hash, &parsed, extract))),
        Err(why) => left(why),
    }
}

fn hash(kind: &[u8], bytes: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(kind).chain_update([0]).chain_update(bytes).finalize().into()
}

fn prepare(file: &File, hash: [u8; 32], parsed: &Parsed, extract: bool) -> Prepared {
    let pieces = chunks(parsed).into_iter().map(|chunk| Piece::new(chunk, parsed.kind, extract)).collect();
    Prepared {
        source: file.path.to_string_lossy().into_owned(),
        bytes: file.bytes,
        modified_ns: file.modified_ns,
        hash,
        kind: parsed.kind,
        title: parsed.title.clone(),
        pieces,
    }
}
