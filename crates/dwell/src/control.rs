//! A socket in the data folder by which commands ask a server that runs. Whoever may write in the folder may ask.
//!
//! One line of JSON comes in, one goes out, and the connection is closed.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use dwell_store::{DiskBooks, DiskLog};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::backup::{self, About};

/// Its name in the data folder.
pub const SOCKET: &str = "control.sock";

/// How often it is looked whether somebody asks, and whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a question may take to come in, and how long it may be.
const ASKING: Duration = Duration::from_secs(5);
const LONGEST_QUESTION: u64 = 64 << 10;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Question {
    /// Copy the data folder to this place.
    Backup { to: PathBuf },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    BackedUp(About),
    Refused(String),
}

/// What answers.
pub struct Control {
    /// The data folder.
    pub data: PathBuf,
    /// The log in it.
    pub log: Arc<DiskLog>,
    /// The books in it.
    pub books: Arc<DiskBooks>,
    /// Held while the log is copied, so that nothing is dropped from it.
    pub copying: Arc<Mutex<()>>,
    /// Whether to stop.
    pub stop: Arc<AtomicBool>,
}

impl Control {
    /// Takes the socket, whose folder must be this process's alone.
    pub fn listen(&self) -> std::io::Result<UnixListener> {
        let path = self.data.join(SOCKET);
        match std::fs::remove_file(&path) {
            // What an earlier process left. Nobody else can be there: the log is locked.
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Answers one after the other until it is told to stop.
    pub fn answer(&self, listener: &UnixListener) {
        while !self.stop.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok((stream, _)) => {
                    if let Err(error) = self.answer_one(stream) {
                        warn!(%error, "a question on the control socket was not answered");
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(LOOK_EVERY),
                Err(error) => {
                    warn!(%error, "nobody can be heard on the control socket");
                    std::thread::sleep(LOOK_EVERY);
                }
            }
        }
        // It may be gone: then there is nothing to remove.
        drop(std::fs::remove_file(self.data.join(SOCKET)));
    }

    fn answer_one(&self, stream: UnixStream) -> anyhow::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(ASKING))?;
        let mut line = String::new();
        BufReader::new((&stream).take(LONGEST_QUESTION)).read_line(&mut line)?;
        let answer = match serde_json::from_str(&line) {
            Ok(Question::Backup { to }) => self.back_up(&to),
            Err(error) => Answer::Refused(format!("this server does not understand the question: {error}")),
        };
        let mut text = serde_json::to_string(&answer)?;
        text.push('\n');
        (&stream).write_all(text.as_bytes())?;
        Ok(())
    }

    fn back_up(&self, to: &Path) -> Answer {
        let _copying = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        info!(to = %to.display(), "a backup begins");
        match backup::copy(&self.data, to, &self.log, &self.books) {
            Ok(about) => {
                info!(to = %to.display(), log_next = about.log_next, "a backup is done");
                Answer::BackedUp(about)
            }
            Err(error) => {
                warn!(to = %to.display(), error = %format!("{error:#}"), "a backup was not made");
                Answer::Refused(format!("{error:#}"))
            }
        }
    }
}

/// Asks the server that has this data folder for a backup, and waits until it is made.
pub fn ask_for_backup(data: &Path, to: &Path) -> anyhow::Result<About> {
    let path = data.join(SOCKET);
    let mut stream = UnixStream::connect(&path).with_context(|| {
        format!(
            "a server has {} open, and does not answer on {}: stop it, or wait until it has started",
            data.display(),
            path.display()
        )
    })?;
    let mut question = serde_json::to_string(&Question::Backup { to: std::path::absolute(to)? })?;
    question.push('\n');
    stream.write_all(question.as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).context("the server did not answer")?;
    match serde_json::from_str(&line).context("the server stopped before the backup was made")? {
        Answer::BackedUp(about) => Ok(about),
        Answer::Refused(why) => bail!("{why}"),
    }
}
