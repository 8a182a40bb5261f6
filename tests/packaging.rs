//! What `just install` lays out, and what systemd and dpkg think of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// Path below the tree, and mode, of all that an installation puts down.
const INSTALLED: &[(&str, u32)] = &[
    ("opt/kumomta/etc/policy/init.lua", 0o644),
    ("opt/kumomta/etc/policy/tsa_init.lua", 0o644),
    ("opt/kumomta/sbin/kumod", 0o755),
    ("opt/kumomta/sbin/tsa", 0o755),
    ("opt/kumomta/sbin/tsa-daemon", 0o755),
    ("opt/kumomta/share/minimal-init.lua", 0o644),
    ("opt/kumomta/share/minimal-tsa_init.lua", 0o644),
    ("opt/kumomta/share/policy-extras/shaping.toml", 0o644),
    ("usr/lib/systemd/system/kumo-tsa-daemon.service", 0o644),
    ("usr/lib/systemd/system/kumomta.service", 0o644),
    ("usr/lib/sysusers.d/kumomta.conf", 0o644),
    ("usr/lib/tmpfiles.d/kumomta.conf", 0o644),
];

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn run(program: impl AsRef<Path>, args: &[&Path]) -> Output {
    let output = Command::new(program.as_ref()).args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{}`: {stderr}", program.as_ref().display());
    output
}

/// Whether a program that a machine may lack is there; says so when it is not.
fn present(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: `{program}` is not on this machine");
    }
    found
}

/// Executables that stand in for the built ones.
fn stand_ins(folder: &Path) -> PathBuf {
    let bin = folder.join("bin");
    fs::create_dir(&bin).unwrap();
    for name in ["kumod", "tsa", "tsa-daemon"] {
        fs::write(bin.join(name), "#!/bin/sh\n").unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    bin
}

/// A folder with a fresh installation below `tree`.
fn installed() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let tree = folder.path().join("tree");
    run(checkout().join("packaging/install"), &[&stand_ins(folder.path()), &tree]);
    (folder, tree)
}

fn files_below(root: &Path, folder: &Path, found: &mut BTreeMap<String, u32>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(root, &path, found);
        } else {
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), mode);
        }
    }
}

#[test]
fn an_installation_has_the_documented_layout() {
    let (_folder, tree) = installed();
    let mut found = BTreeMap::new();
    files_below(&tree, &tree, &mut found);
    let shared = ["opt/kumomta/share/policy-extras/", "opt/kumomta/share/lua/", "opt/kumomta/share/docs/"];
    let extra = |path: &str| shared.iter().any(|folder| path.starts_with(folder));
    found.retain(|path, _| !extra(path) || INSTALLED.iter().any(|(known, _)| known == path));
    let expected = INSTALLED.iter().map(|(path, mode)| ((*path).to_owned(), *mode)).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_policy_extra_and_manual_is_installed() {
    let (_folder, tree) = installed();
    for folder in ["policy-extras", "lua", "docs"].map(Path::new) {
        let mut files = BTreeMap::new();
        if checkout().join(folder).is_dir() {
            files_below(checkout(), &checkout().join(folder), &mut files);
        }
        for name in files.keys() {
            assert!(tree.join("opt/kumomta/share").join(name).exists(), "{name}");
        }
    }
}

#[test]
fn an_installation_keeps_the_policy_that_is_there() {
    let (folder, tree) = installed();
    let policies = ["init.lua", "tsa_init.lua"].map(|name| tree.join("opt/kumomta/etc/policy").join(name));
    for policy in &policies {
        fs::write(policy, "-- mine\n").unwrap();
    }
    run(checkout().join("packaging/install"), &[&folder.path().join("bin"), &tree]);
    for policy in &policies {
        assert_eq!(fs::read_to_string(policy).unwrap(), "-- mine\n");
    }
}

#[track_caller]
fn has_lines(unit: &str, lines: &[&str]) {
    let unit = fs::read_to_string(checkout().join("packaging").join(unit)).unwrap();
    for line in lines {
        assert!(unit.lines().any(|have| have == *line), "`{line}`");
    }
}

#[test]
fn the_unit_of_the_mail_host_runs_the_documented_command_and_has_time_to_drain() {
    let lines = [
        "ConditionPathExists=/opt/kumomta/etc/policy/init.lua",
        "ExecStart=/opt/kumomta/sbin/kumod --policy /opt/kumomta/etc/policy/init.lua --user kumod",
        "EnvironmentFile=-/opt/kumomta/etc/kumo-common.env",
        "EnvironmentFile=-/opt/kumomta/etc/kumod.env",
        "User=kumod",
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
        "TimeoutStopSec=300s",
        "Restart=always",
        "WantedBy=multi-user.target",
    ];
    has_lines("kumomta.service", &lines);
}

#[test]
fn the_unit_runs_the_documented_command_once_its_policy_is_there() {
    let lines = [
        "ConditionPathExists=/opt/kumomta/etc/policy/tsa_init.lua",
        "ExecStart=/opt/kumomta/sbin/tsa-daemon --policy /opt/kumomta/etc/policy/tsa_init.lua",
        "EnvironmentFile=-/opt/kumomta/etc/kumo-common.env",
        "EnvironmentFile=-/opt/kumomta/etc/tsa-daemon.env",
        "User=kumod",
        "Restart=always",
        "WantedBy=multi-user.target",
    ];
    has_lines("kumo-tsa-daemon.service", &lines);
}

#[test]
fn systemd_has_nothing_to_say_about_the_units() {
    if !present("systemd-analyze") {
        return;
    }
    let (_folder, tree) = installed();
    let output = run(checkout().join("packaging/verify-units"), &[&tree]);
    // A key that systemd does not know is a warning to it, and an error to us.
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_debian_package_carries_all_but_the_policy_that_a_person_owns() {
    if !present("dpkg-deb") {
        return;
    }
    let folder = TempDir::new().unwrap();
    run(checkout().join("packaging/deb"), &[&stand_ins(folder.path()), folder.path()]);
    let is_package = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "deb");
    let package = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).find(is_package).unwrap();
    let unpacked = folder.path().join("unpacked");
    run("dpkg-deb", &[Path::new("-x"), &package, &unpacked]);
    for (path, _) in INSTALLED {
        assert_eq!(unpacked.join(path).exists(), !path.contains("/etc/policy/"), "{path}");
    }
    let docs = unpacked.join("usr/share/doc/kumo-tsa");
    assert_eq!(fs::read_link(docs.join("docs")).unwrap(), Path::new("/opt/kumomta/share/docs"));
    assert!(docs.join("README.md").exists() && unpacked.join("opt/kumomta/share/docs/testing.md").exists());
}

#[test]
fn the_justfile_has_the_recipes_that_the_readme_names() {
    if !present("just") {
        return;
    }
    let output = Command::new("just").arg("--summary").current_dir(checkout()).output().unwrap();
    let recipes = String::from_utf8(output.stdout).unwrap();
    for name in ["build", "test", "lint", "bench", "install", "deb", "verify-units", "ci"] {
        assert!(recipes.split_whitespace().any(|recipe| recipe == name), "`{name}` in {recipes}");
    }
}
