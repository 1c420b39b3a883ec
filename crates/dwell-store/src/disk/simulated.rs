//! A disk that keeps only what was synced, and of the rest what a seed says: for tests.
//!
//! It is stricter than most: a file that was created is gone after a power cut unless its folder was synced, writes that
//! were not synced reach it in any order and torn, a length may be kept without the bytes, and after a sync that failed
//! a second one succeeds without having written anything.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, FolderLock};

/// A [`Disk`] in memory, in which everything can go wrong. Clones are the same disk.
#[derive(Clone)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

/// How often things go wrong, in chances out of 10,000 for each call, and how much room there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A sync of a file or folder fails.
    pub sync: u32,
    /// Another call fails.
    pub other: u32,
    /// A write does less than it was asked to.
    pub short: u32,
    /// Bytes that files may have together. `None` is without end.
    pub room: Option<u64>,
}

/// What stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process: what was written stays, synced or not.
    Process,
    /// The power: of what was not synced anything may be there or not.
    Power,
}

struct State {
    random: u64,
    calls: u64,
    crash_at: Option<u64>,
    /// Counts reboots: files that were opened before are dead.
    life: u64,
    down: bool,
    faults: Faults,
    locked: bool,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    name_changes: Vec<NameChange>,
    files: HashMap<usize, Content>,
    next_file: usize,
}

#[derive(Clone)]
enum NameChange {
    Link(PathBuf, usize),
    Unlink(PathBuf),
}

#[derive(Default)]
struct Content {
    visible: Vec<u8>,
    durable: Vec<u8>,
    changes: Vec<Change>,
}

enum Change {
    Write { place: usize, bytes: Vec<u8> },
    Length(usize),
}

struct Open {
    disk: SimulatedDisk,
    file: usize,
    life: u64,
}

struct Locked {
    disk: SimulatedDisk,
    life: u64,
}

impl SimulatedDisk {
    /// Makes an empty disk. Everything that happens on it follows from the seed and the calls.
    pub fn new(seed: u64) -> SimulatedDisk {
        SimulatedDisk(Arc::new(Mutex::new(State {
            random: seed,
            calls: 0,
            crash_at: None,
            life: 0,
            down: false,
            faults: Faults::default(),
            locked: false,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            files: HashMap::new(),
            next_file: 0,
        })))
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Goes down after so many more calls: that call and all after it fail, until [`SimulatedDisk::reboot`].
    pub fn crash_after(&self, calls: u64) {
        let mut state = self.state();
        state.crash_at = Some(state.calls + calls);
    }

    /// Says whether it went down.
    pub fn is_down(&self) -> bool {
        self.state().down
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Bytes of all files together.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// Comes up again, after what happened. Files opened before can not be used any more.
    pub fn reboot(&self, crash: Crash) {
        let mut state = self.state();
        if crash == Crash::Power {
            state.lose_power();
        }
        state.life += 1;
        state.down = false;
        state.crash_at = None;
        state.locked = false;
    }

    /// Changes bytes of a file behind everybody's back, durably.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let Some(file) = state.names.get(path).copied() else { return };
        if let Some(content) = state.files.get_mut(&file) {
            change(&mut content.visible);
            content.durable = content.visible.clone();
            content.changes.clear();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, and fails it if the disk is down or the dice say so.
    fn call(&self, chance: impl Fn(&Faults) -> u32) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.calls += 1;
        if state.crash_at.is_some_and(|at| at <= state.calls) {
            state.down = true;
        }
        if state.down {
            return Err(io::Error::other("the machine is down"));
        }
        let chance = chance(&state.faults);
        if state.chance(chance, 10_000) {
            return Err(io::Error::other("input/output error"));
        }
        Ok(state)
    }

    fn opened(&self, file: usize, life: u64) -> Arc<dyn DiskFile> {
        Arc::new(Open { disk: self.clone(), file, life })
    }
}

impl State {
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn chance(&mut self, chance: u32, out_of: u64) -> bool {
        chance != 0 && self.next() % out_of < u64::from(chance)
    }

    fn used(&self) -> u64 {
        self.names.values().filter_map(|file| self.files.get(file)).map(|content| content.visible.len() as u64).sum()
    }

    /// Keeps of what was not synced what the dice say.
    fn lose_power(&mut self) {
        let mut names = self.durable_names.clone();
        let keep = self.luck();
        for change in std::mem::take(&mut self.name_changes) {
            if !self.chance(keep, 100) {
                continue;
            }
            match change {
                NameChange::Link(path, file) => drop(names.insert(path, file)),
                NameChange::Unlink(path) => drop(names.remove(&path)),
            }
        }
        let mut kept: Vec<usize> = names.values().copied().collect();
        kept.sort_unstable();
        self.files.retain(|file, _| kept.binary_search(file).is_ok());
        for file in kept {
            let Some(mut content) = self.files.remove(&file) else { continue };
            let changes = std::mem::take(&mut content.changes);
            self.apply_some(&mut content.durable, changes);
            content.visible.clone_from(&content.durable);
            self.files.insert(file, content);
        }
        self.names.clone_from(&names);
        self.durable_names = names;
    }

    /// How likely one piece is to be kept in this crash, of 100: all, none, or something between.
    fn luck(&mut self) -> u32 {
        [0, 100, 50, 90, 10][(self.next() % 5) as usize]
    }

    fn apply_some(&mut self, durable: &mut Vec<u8>, changes: Vec<Change>) {
        let keep = self.luck();
        let keep_length = self.luck();
        let sector = [1, 16, 64, 512][(self.next() % 4) as usize];
        for change in changes {
            match change {
                Change::Length(length) => {
                    if self.chance(keep_length, 100) {
                        durable.resize(length, 0);
                    }
                }
                Change::Write { place, bytes } => {
                    if self.chance(keep_length, 100) && durable.len() < place + bytes.len() {
                        durable.resize(place + bytes.len(), 0);
                    }
                    for (at, piece) in bytes.chunks(sector).enumerate() {
                        if self.chance(keep, 100) {
                            let begin = place + at * sector;
                            durable.resize(durable.len().max(begin + piece.len()), 0);
                            durable[begin..begin + piece.len()].copy_from_slice(piece);
                        }
                    }
                }
            }
        }
    }
}

impl Disk for SimulatedDisk {
    fn create_folder(&self, _folder: &Path) -> io::Result<()> {
        self.call(|faults| faults.other).map(drop)
    }

    fn lock(&self, _folder: &Path) -> io::Result<Box<dyn FolderLock>> {
        let mut state = self.call(|faults| faults.other)?;
        if state.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.locked = true;
        Ok(Box::new(Locked { disk: self.clone(), life: state.life }))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.call(|faults| faults.other)?;
        let inside = state.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.call(|faults| faults.other)?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if state.faults.room.is_some_and(|room| room <= state.used()) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = state.next_file;
        state.next_file += 1;
        state.files.insert(file, Content::default());
        state.names.insert(path.to_owned(), file);
        state.name_changes.push(NameChange::Link(path.to_owned(), file));
        Ok(self.opened(file, state.life))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.call(|faults| faults.other)?;
        let file = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.opened(file, state.life))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call(|faults| faults.other)?;
        state.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        state.name_changes.push(NameChange::Unlink(path.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        let mut state = self.call(|faults| faults.sync)?;
        state.name_changes.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }
}

impl Open {
    fn call(&self, chance: impl Fn(&Faults) -> u32) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.call(chance)?;
        if state.life != self.life {
            return Err(io::Error::other("this file was opened before the machine came up"));
        }
        Ok(state)
    }
}

fn content(state: &mut State, file: usize) -> io::Result<&mut Content> {
    state.files.get_mut(&file).ok_or_else(|| io::ErrorKind::NotFound.into())
}

impl DiskFile for Open {
    fn length(&self) -> io::Result<u64> {
        let mut state = self.call(|faults| faults.other)?;
        Ok(content(&mut state, self.file)?.visible.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], place: u64) -> io::Result<usize> {
        let mut state = self.call(|faults| faults.other)?;
        let visible = &content(&mut state, self.file)?.visible;
        let rest = visible.get(place as usize..).unwrap_or_default();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], place: u64) -> io::Result<usize> {
        let mut state = self.call(|faults| faults.other)?;
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let short = state.faults.short;
        if state.chance(short, 10_000) && 1 < bytes.len() {
            let keep = 1 + state.next() as usize % (bytes.len() - 1);
            bytes.truncate(keep);
        }
        let place = place as usize;
        let room = state.faults.room.map(|room| room.saturating_sub(state.used()) as usize);
        let content = content(&mut state, self.file)?;
        if let Some(room) = room {
            let most = (content.visible.len() + room).saturating_sub(place);
            if most == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            bytes.truncate(most);
        }
        let end = place + bytes.len();
        content.visible.resize(content.visible.len().max(end), 0);
        content.visible[place..end].copy_from_slice(&bytes);
        let written = bytes.len();
        content.changes.push(Change::Write { place, bytes });
        Ok(written)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut state = self.call(|faults| faults.other)?;
        let content = content(&mut state, self.file)?;
        content.visible.resize(length as usize, 0);
        content.changes.push(Change::Length(length as usize));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        match self.call(|faults| faults.sync) {
            Ok(mut state) => {
                // What an earlier sync let go of is not in the changes any more, and is not written by this one.
                let Some(mut content) = state.files.remove(&self.file) else {
                    return Err(io::ErrorKind::NotFound.into());
                };
                for change in std::mem::take(&mut content.changes) {
                    apply(&mut content.durable, change);
                }
                state.files.insert(self.file, content);
                Ok(())
            }
            Err(error) => {
                let mut state = self.disk.state();
                if !state.down
                    && let Some(mut content) = state.files.remove(&self.file)
                {
                    let changes = std::mem::take(&mut content.changes);
                    state.apply_some(&mut content.durable, changes);
                    state.files.insert(self.file, content);
                }
                Err(error)
            }
        }
    }
}

fn apply(durable: &mut Vec<u8>, change: Change) {
    match change {
        Change::Length(length) => durable.resize(length, 0),
        Change::Write { place, bytes } => {
            let end = place + bytes.len();
            durable.resize(durable.len().max(end), 0);
            durable[place..end].copy_from_slice(&bytes);
        }
    }
}

impl FolderLock for Locked {}

impl Drop for Locked {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.life == self.life {
            state.locked = false;
        }
    }
}
