//! A server that is a program: its life, and what it says besides the protocol.

use std::{
    collections::VecDeque,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use qsef_agent::config::McpConfig;
use tokio::{
    io::{AsyncBufRead, AsyncWriteExt, BufReader, DuplexStream},
    process::{Child, ChildStderr, ChildStdin, Command},
    sync::{oneshot, watch},
};

use crate::lines::{MAX_MESSAGE, cut, id_of, line};

/// The code of the error that stands for a message that is too long; JSON-RPC leaves it to implementations.
const TOO_LONG: i32 = -32_050;

/// How long a program may take to end by itself.
const GRACE: Duration = Duration::from_secs(2);

/// How long to wait for the exit status of a program whose output has ended.
const STATUS: Duration = Duration::from_millis(300);

/// The most lines of a program's own words that are kept, and the most bytes of each.
const KEPT: (usize, usize) = (3, 300);

/// The variables that programs need to find their files. Secrets that qsef has are none of theirs.
const ENVIRONMENT: &[&str] = &[
    "HOME",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "APPDATA",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "PATHEXT",
    "PROGRAMFILES",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "USERNAME",
    "USERPROFILE",
];

/// What a program said besides the protocol. Clones share it.
#[derive(Debug, Clone, Default)]
struct Said(Arc<Mutex<Words>>);

#[derive(Debug, Default)]
struct Words {
    errors: VecDeque<String>,
    /// The last line of its output that is not of the protocol.
    strange: Option<String>,
    too_long: bool,
}

impl Said {
    fn with<T>(&self, act: impl FnOnce(&mut Words) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Knows what a program said, and how it ended. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Witness {
    said: Said,
    ended: watch::Receiver<Option<ExitStatus>>,
}

impl Witness {
    /// How it ended, where it does within moments, and what it said last, to follow a sentence.
    pub async fn in_words(mut self) -> String {
        let status = tokio::time::timeout(STATUS, self.ended.wait_for(Option::is_some)).await;
        let status = status.ok().and_then(|s| s.ok().and_then(|status| *status));
        let mut text = status.map(|status| format!(" ({status})")).unwrap_or_default();
        self.said.with(|words| {
            if words.too_long {
                text += &format!("; it sent a message of more than {} MiB", MAX_MESSAGE >> 20);
            }
            if let Some(strange) = &words.strange {
                text += &format!("; it wrote to its standard output, which is for the protocol alone: {strange:?}");
            }
            if !words.errors.is_empty() {
                let lines: Vec<&str> = words.errors.iter().map(String::as_str).collect();
                text += &format!("; its last words: {:?}", lines.join(" / "));
            }
        });
        text
    }
}

/// A program that runs. Dropping it closes its input, and kills it where it does not end then.
#[derive(Debug)]
pub(crate) struct Program {
    pub witness: Witness,
    _let_go: oneshot::Sender<()>,
}

impl Program {
    /// Starts a server's program; its output and input, for the protocol.
    ///
    /// # Errors
    /// Why it cannot be started, as a sentence.
    pub fn start(config: &McpConfig) -> Result<(Self, DuplexStream, ChildStdin), String> {
        let name = config.command.as_deref().unwrap_or_default();
        let mut command = Command::new(name);
        command.args(&config.args).env_clear();
        for variable in ENVIRONMENT.iter().copied().chain(config.pass_env.iter().map(String::as_str)) {
            if let Some(value) = std::env::var_os(variable) {
                command.env(variable, value);
            }
        }
        if let Some(lacking) = config.pass_env.iter().find(|name| std::env::var_os(name).is_none()) {
            return Err(format!("the environment has no variable `{lacking}`, which `pass_env` names"));
        }
        command.envs(&config.env).kill_on_drop(true);
        // Ctrl-C is meant for a run, and not for the servers that the next one needs.
        #[cfg(unix)]
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("its command `{name}` cannot be started: {e}"))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else { return Err("it has no pipes".into()) };
        let said = Said::default();
        let (reader, writer) = tokio::io::duplex(64 << 10);
        tokio::spawn(pass_on(BufReader::new(stdout), writer, said.clone()));
        tokio::spawn(listen(stderr, said.clone()));
        let (tell, ended) = watch::channel(None);
        let (let_go, dropped) = oneshot::channel();
        tokio::spawn(watch_over(child, dropped, tell));
        Ok((Self { witness: Witness { said, ended }, _let_go: let_go }, reader, stdin))
    }
}

/// Waits until a program ends, or is not needed any more.
async fn watch_over(mut child: Child, dropped: oneshot::Receiver<()>, tell: watch::Sender<Option<ExitStatus>>) {
    let status = tokio::select! {
        status = child.wait() => status,
        _ = dropped => match tokio::time::timeout(GRACE, child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                let _ = child.start_kill();
                child.wait().await
            }
        },
    };
    let _ = tell.send(status.ok());
}

/// Keeps the last lines of a program's errors.
async fn listen(stderr: ChildStderr, said: Said) {
    let mut stderr = BufReader::new(stderr);
    while let Some((line, _)) = line(&mut stderr, 64 << 10).await {
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        if line.is_empty() {
            continue;
        }
        tracing::debug!(line, "an MCP server's error output");
        said.with(|words| {
            words.errors.push_back(kept(&line));
            if words.errors.len() > KEPT.0 {
                words.errors.pop_front();
            }
        });
    }
}

/// What is kept of a line.
fn kept(line: &str) -> String {
    cut(&line.replace('\n', ""), KEPT.1)
}

/// Passes a program's messages on. One that is too long becomes an error that answers the same call; what is no message is dropped.
async fn pass_on(mut output: impl AsyncBufRead + Unpin, mut to: DuplexStream, said: Said) {
    while let Some((mut bytes, rest)) = line(&mut output, MAX_MESSAGE).await {
        if let Some(tail) = rest {
            let Some(id) = id_of(&bytes, &tail) else {
                // Nobody can know which call it would have answered: all fail.
                said.with(|words| words.too_long = true);
                return;
            };
            let message =
                format!("the answer has more than {} MiB, which is the most that is taken", MAX_MESSAGE >> 20);
            let error =
                serde_json::json!({"jsonrpc": "2.0", "id": id, "error": {"code": TOO_LONG, "message": message}});
            bytes = format!("{error}\n").into_bytes();
        } else if !bytes.trim_ascii_start().starts_with(b"{") && !bytes.trim_ascii_start().starts_with(b"[") {
            let text = kept(&String::from_utf8_lossy(&bytes));
            if !text.trim().is_empty() {
                said.with(|words| words.strange = Some(text));
            }
            continue;
        }
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
