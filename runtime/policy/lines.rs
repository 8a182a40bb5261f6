//! Which lines of Lua ran on a host, where a tool asks for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua::Lua;
use mlua::debug::Debug;

use super::bytecode;
use crate::host::Host;

/// Notes the lines that run in all Lua contexts of the hosts that it watches; clones note into the same.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Mutex<HashMap<String, File>>>);

#[derive(Debug)]
struct File {
    /// Where it is on this machine, or its documented path where it travels inside the executable.
    place: String,
    text: Vec<u8>,
    ran: BTreeSet<usize>,
}

/// The lines of a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Covered {
    /// Those that hold code.
    pub code: BTreeSet<usize>,
    /// Those of them that ran.
    pub ran: BTreeSet<usize>,
}

/// What a host keeps of it.
#[derive(Default)]
struct Watch(Mutex<Option<Lines>>);

impl Lines {
    /// Notes what runs in Lua contexts of `host` that are made from now on. Without this nothing is noted, and costs nothing.
    pub fn watch(&self, host: &Host) {
        *lock(&host.slot(Watch::default).0) = Some(self.clone());
    }

    /// Watches one host as another is watched, if it is.
    pub fn follow(watched: &Host, other: &Host) {
        if let Some(lines) = Self::of(watched) {
            lines.watch(other);
        }
    }

    pub(super) fn of(host: &Host) -> Option<Self> {
        lock(&host.slot(Watch::default).0).clone()
    }

    /// Notes the line that is about to run.
    pub(super) fn note(&self, lua: &Lua, debug: &Debug<'_>) {
        let source = debug.source();
        let Some(name) = source.source.as_deref().and_then(|source| source.strip_prefix('@')) else { return };
        let Some(line) = debug.current_line() else { return };
        let mut files = lock(&self.0);
        if let Some(file) = files.get_mut(name) {
            file.ran.insert(line);
        } else if let Some(host) = lua.app_data_ref::<Host>()
            && let Some(file) = File::read(&host, Path::new(name), line)
        {
            files.insert(name.to_owned(), file);
        }
    }

    /// What ran so far, by file.
    pub fn covered(&self) -> BTreeMap<String, Covered> {
        let mut covered = BTreeMap::<String, Covered>::new();
        let lua = Lua::new();
        for file in lock(&self.0).values() {
            let all = covered.entry(file.place.clone()).or_default();
            if all.code.is_empty() {
                all.code = file.code(&lua);
            }
            all.ran.extend(file.ran.intersection(&all.code).copied().collect::<Vec<_>>());
        }
        covered
    }
}

impl File {
    fn read(host: &Host, path: &Path, line: usize) -> Option<Self> {
        let text = host.paths().read(path).ok()?.into_owned();
        let real = host.paths().resolve(path);
        let place = if real.exists() { real.as_ref() } else { path };
        Some(Self { place: place.display().to_string(), text, ran: BTreeSet::from([line]) })
    }

    /// The lines that hold code; none when it does not parse.
    fn code(&self, lua: &Lua) -> BTreeSet<usize> {
        let chunk = lua.load(super::without_shebang(&self.text)).into_function();
        chunk.ok().and_then(|chunk| bytecode::lines(&chunk.dump(false))).unwrap_or_default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
