//! How much memory the process has left, so that a host sheds load before the system kills it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use super::Host;

/// How often it is looked.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// Of what the process may take at most, this much is used without a second thought.
const LOW: f64 = 0.6;
/// Beyond this there is nothing left to give away.
const NONE: f64 = 0.75;

/// How much is left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Headroom {
    /// Nothing: what comes is to be turned away.
    None,
    /// Little: what can be dropped is to be dropped.
    Low,
    /// Enough.
    Enough,
}

/// What is known of the memory of a host's process.
#[derive(Debug)]
pub struct Memory {
    headroom: AtomicU8,
    /// In bytes; 0 as long as none is known.
    limit: AtomicU64,
}

impl Memory {
    /// The host's. Nothing is known, and so there is enough, until it is [watched](Self::watch).
    pub fn of(host: &Host) -> Arc<Self> {
        host.slot(|| Self { headroom: AtomicU8::new(2), limit: AtomicU64::new(0) })
    }

    /// How much is left.
    pub fn headroom(&self) -> Headroom {
        match self.headroom.load(Ordering::Relaxed) {
            0 => Headroom::None,
            1 => Headroom::Low,
            _ => Headroom::Enough,
        }
    }

    /// Notes that `used` of `limit` bytes are taken.
    fn note(&self, used: u64, limit: u64) {
        let share = used as f64 / limit.max(1) as f64;
        let headroom = u8::from(share < NONE) + u8::from(share < LOW);
        let before = self.headroom.swap(headroom, Ordering::Relaxed);
        if headroom < before {
            tracing::warn!(
                "memory is {}: {} of {} MiB are taken",
                if headroom == 0 { "used up, and new mail is turned away" } else { "low" },
                used >> 20,
                limit >> 20
            );
        }
    }

    /// Sets what the process may take, in bytes. Default: the limit of its control group, else what the machine has.
    pub fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Ordering::Relaxed);
        self.look();
    }

    fn look(&self) {
        let limit = self.limit.load(Ordering::Relaxed);
        if let Some(used) = used().filter(|_| limit > 0) {
            self.note(used, limit);
        }
    }

    /// Looks again and again what the process takes of what it may. Under a controlled clock the process is that of who
    /// controls it: what it takes says nothing of the host, and its hours pass in milliseconds.
    pub async fn watch(host: Host) {
        let memory = Self::of(&host);
        // Fails when it was set, which goes before.
        let found = limit(Path::new("/")).unwrap_or(0);
        let _ = memory.limit.compare_exchange(0, found, Ordering::Relaxed, Ordering::Relaxed);
        memory.look();
        while !host.clock().is_controlled() {
            host.clock().sleep(LOOK_AGAIN).await;
            memory.look();
        }
    }
}

/// The most that the process may take, in bytes. `root` is where `/sys` and `/proc` are.
fn limit(root: &Path) -> Option<u64> {
    let number = |file: &str| std::fs::read_to_string(root.join(file)).ok()?.trim().parse::<u64>().ok();
    let group = own_group(root).and_then(|group| number(&format!("sys/fs/cgroup{group}/memory.max")));
    let machine = std::fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    });
    [group, number("sys/fs/cgroup/memory.max"), machine].into_iter().flatten().min()
}

/// The control group of the process (cgroup version 2).
fn own_group(root: &Path) -> Option<String> {
    let text = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::")).map(ToOwned::to_owned)
}

/// What the process has in memory, in bytes.
fn used() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Clock, Paths};

    #[test]
    fn the_strictest_limit_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = root.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        assert_eq!(limit(root.path()), None);
        write("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\n");
        assert_eq!(limit(root.path()), Some(1_024_000));
        write("sys/fs/cgroup/memory.max", "max\n");
        write("proc/self/cgroup", "0::/system.slice/kumomta.service\n");
        write("sys/fs/cgroup/system.slice/kumomta.service/memory.max", "500000\n");
        assert_eq!(limit(root.path()), Some(500_000));
        assert!(used().unwrap() > 0);
    }

    #[test]
    fn what_is_left_follows_what_is_taken() {
        let memory = Memory::of(&Host::new(Clock::system(), Paths::documented()));
        assert_eq!(memory.headroom(), Headroom::Enough);
        for (used, headroom) in
            [(59, Headroom::Enough), (60, Headroom::Low), (75, Headroom::None), (10, Headroom::Enough)]
        {
            memory.note(used, 100);
            assert_eq!(memory.headroom(), headroom, "{used}");
        }
    }
}
