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
use dwell_policy::policies::MOST_TEXT_BYTES;
use dwell_server::{House, export_of, lab_of, preview_of};
use dwell_store::{DiskBooks, DiskLog};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::{info, warn};

use crate::backup::{self, About};

/// Its name in the data folder.
pub const SOCKET: &str = "control.sock";

/// How often it is looked whether somebody asks, and whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a question may take to come in, and how long it may be: that of a policy is the longest, and JSON doubles what
/// it escapes.
const ASKING: Duration = Duration::from_secs(5);
const LONGEST_QUESTION: u64 = 4 * MOST_TEXT_BYTES as u64;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Question {
    /// Copy the data folder to this place.
    Backup { to: PathBuf },
    /// Say what this policy would have done in the app of this id, or how far the counting is.
    Preview { app: String, text: String },
    /// Say what these timeouts would have done in the app of this id, beside another one.
    Lab { app: String, timeouts: String, versus: Option<String> },
    /// Write all that there is of a user of the app of this id, behind the answer.
    Export { app: String, user: String },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    BackedUp(About),
    Previewed(Value),
    Compared(Value),
    /// Lines follow, until the connection is closed.
    Exporting,
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
    /// What answers over HTTP.
    pub house: Arc<House>,
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
            Ok(Question::Preview { app, text }) => {
                preview_of(&self.house, &app, text).map_or_else(Answer::Refused, Answer::Previewed)
            }
            Ok(Question::Lab { app, timeouts, versus }) => {
                lab_of(&self.house, &app, timeouts, versus).map_or_else(Answer::Refused, Answer::Compared)
            }
            Ok(Question::Export { app, user }) => return self.export(stream, &app, &user),
            Err(error) => Answer::Refused(format!("this server does not understand the question: {error}")),
        };
        say(&stream, &answer)
    }

    /// Writes on a thread of its own, so that whoever reads slowly keeps nobody else from being answered.
    fn export(&self, stream: UnixStream, app: &str, user: &str) -> anyhow::Result<()> {
        let lines = match export_of(&self.house, app, user) {
            Ok(lines) => lines,
            Err(why) => return say(&stream, &Answer::Refused(why)),
        };
        say(&stream, &Answer::Exporting)?;
        let write = move || {
            if let Err(error) = lines.write_to(&mut &stream) {
                warn!(%error, "an export for a command broke off");
            }
        };
        std::thread::Builder::new().name("export-out".to_owned()).spawn(write)?;
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
    let question = Question::Backup { to: std::path::absolute(to)? };
    match ask(data, &question, "stop it, or wait until it has started")?.0 {
        Answer::BackedUp(about) => Ok(about),
        Answer::Refused(why) => bail!("{why}"),
        Answer::Previewed(_) | Answer::Compared(_) | Answer::Exporting => bail!("the server answered another question"),
    }
}

/// Asks the server that has this data folder what a policy would have done; the answer is that of `POST /v1/policy/preview`.
pub fn ask_for_preview(data: &Path, app: &str, text: &str) -> anyhow::Result<Value> {
    let question = Question::Preview { app: app.to_owned(), text: text.to_owned() };
    match ask(data, &question, "start one with `dwell serve`")?.0 {
        Answer::Previewed(preview) => Ok(preview),
        Answer::Refused(why) => bail!("{why}"),
        Answer::BackedUp(_) | Answer::Compared(_) | Answer::Exporting => bail!("the server answered another question"),
    }
}

/// Asks the server that has this data folder what these timeouts would have done; the answer is that of `GET /v1/lab`.
pub fn ask_for_lab(data: &Path, app: &str, timeouts: String, versus: Option<String>) -> anyhow::Result<Value> {
    let question = Question::Lab { app: app.to_owned(), timeouts, versus };
    match ask(data, &question, "start one with `dwell serve`")?.0 {
        Answer::Compared(lab) => Ok(lab),
        Answer::Refused(why) => bail!("{why}"),
        Answer::BackedUp(_) | Answer::Previewed(_) | Answer::Exporting => bail!("the server answered another question"),
    }
}

/// Has the server that has this data folder write all that there is of a user. What was written is whole unless this fails.
pub fn ask_for_export(data: &Path, app: &str, user: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    let question = Question::Export { app: app.to_owned(), user: user.to_owned() };
    let (answer, mut lines) = ask(data, &question, "start one with `dwell serve`")?;
    match answer {
        Answer::Exporting => {}
        Answer::Refused(why) => bail!("{why}"),
        Answer::BackedUp(_) | Answer::Previewed(_) | Answer::Compared(_) => {
            bail!("the server answered another question")
        }
    }
    let (mut line, mut is_whole) = (Vec::new(), false);
    while 0 < lines.read_until(b'\n', &mut line).context("the server broke off")? {
        is_whole = serde_json::from_slice::<Value>(&line).is_ok_and(|line| line["type"] == "end");
        out.write_all(&line)?;
        line.clear();
    }
    out.flush()?;
    if is_whole { Ok(()) } else { bail!("the server broke off: what was written is not all; see its own log") }
}

fn say(mut stream: &UnixStream, answer: &Answer) -> anyhow::Result<()> {
    let mut text = serde_json::to_string(answer)?;
    text.push('\n');
    Ok(stream.write_all(text.as_bytes())?)
}

/// Asks, and returns the answer and what may follow.
fn ask(data: &Path, question: &Question, mend: &str) -> anyhow::Result<(Answer, BufReader<UnixStream>)> {
    let path = data.join(SOCKET);
    let mut stream = UnixStream::connect(&path)
        .with_context(|| format!("no server that has {} open answers on {}: {mend}", data.display(), path.display()))?;
    let mut question = serde_json::to_string(question)?;
    question.push('\n');
    stream.write_all(question.as_bytes())?;
    let (mut line, mut reader) = (String::new(), BufReader::new(stream));
    reader.read_line(&mut line).context("the server did not answer")?;
    Ok((serde_json::from_str(&line).context("the server stopped before it answered")?, reader))
}
