//! What ARCHITECTURE.md says about the code, checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

/// Layers from the bottom. A layer uses those of lower rank, and `modules` also `dns`.
const LAYERS: &[(&str, u8)] =
    &[("host", 1), ("policy", 2), ("dns", 3), ("modules", 4), ("shaping", 5), ("tsa", 6), ("mail", 6), ("tools", 7)];

/// Lines of code, not counting the tests at a file's end, above which a file surely holds more than one thing.
const LONGEST_FILE: usize = 500;

/// What the functional core never names: the outside world.
const OUTSIDE: &str = r"\b(tokio|mlua|std::fs|std::env|std::process|std::thread|SystemTime|Instant::now|TcpListener|TcpStream|UdpSocket|ToSocketAddrs)\b";

struct Source {
    /// From the root of the checkout, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// The text without comments: what is written about a thing is not a use of it.
    fn code(&self) -> String {
        let comment = |line: &&str| line.trim_start().starts_with("//");
        self.text.lines().filter(|line| !comment(line)).collect::<Vec<_>>().join("\n")
    }

    /// The first folder or file name below `runtime/`.
    fn layer(&self) -> Option<&str> {
        let name = self.path.strip_prefix("runtime/")?.split('/').next()?;
        Some(name.strip_suffix(".rs").unwrap_or(name))
    }

    /// The lines before the tests.
    fn length(&self) -> usize {
        self.text.lines().take_while(|line| *line != "#[cfg(test)]").count()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !["target", ".git", "node_modules"].contains(&&*name) {
            walk(&path, found);
        } else if path.is_file() && name != ".git" {
            found.push(path);
        }
    }
}

/// The text files below some folders, in order. What is not text is passed over.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in folders {
        walk(&root().join(folder), &mut paths);
    }
    paths.sort();
    texts(paths)
}

/// The text files that the repository holds; without git, all that are there.
fn tracked() -> Vec<Source> {
    match Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output() {
        Ok(output) if output.status.success() => {
            let names = String::from_utf8(output.stdout).unwrap();
            texts(names.split_terminator('\0').map(|name| root().join(name)).collect())
        }
        _ => sources(&["."]),
    }
}

fn texts(paths: Vec<PathBuf>) -> Vec<Source> {
    let source = |path: PathBuf| {
        let text = fs::read_to_string(&path).ok()?;
        let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        Some(Source { path, text })
    };
    paths.into_iter().filter_map(source).collect()
}

fn rust(folders: &[&str]) -> Vec<Source> {
    sources(folders)
        .into_iter()
        .filter(|source| Path::new(&source.path).extension().is_some_and(|e| e == "rs"))
        .collect()
}

#[track_caller]
fn nothing(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// The modules that a piece of code names below `crate::` (or the name of the package), nested uses included.
fn named_modules(code: &str) -> BTreeSet<String> {
    let path = Regex::new(r"\b(?:crate|kumo_tsa)::(\w+)").unwrap();
    let nested = Regex::new(r"\b(?:crate|kumo_tsa)::\{").unwrap();
    let mut names: BTreeSet<_> = path.captures_iter(code).map(|found| found[1].to_owned()).collect();
    for start in nested.find_iter(code) {
        let mut depth = 0;
        let mut fresh = true;
        let mut word = String::new();
        for c in code[start.end()..].chars() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if c.is_alphanumeric() || c == '_' {
                word.push(c);
                continue;
            }
            if fresh && depth == 0 && !word.is_empty() {
                names.insert(word.clone());
                fresh = false;
            }
            word.clear();
            fresh |= c == ',' && depth == 0;
        }
        if fresh {
            names.insert(word);
        }
    }
    names
}

#[test]
fn nested_uses_are_read() {
    let names = named_modules("use crate::{host::{Clock, Host}, dns, tsa::lua as x};\nlet y = crate::policy::table();");
    assert_eq!(names, ["dns", "host", "policy", "tsa"].map(ToOwned::to_owned).into());
}

#[test]
fn layers_use_only_those_below_them() {
    let ranks: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut findings = Vec::new();
    for source in rust(&["runtime"]) {
        let Some((layer, rank)) = source.layer().and_then(|layer| Some((layer, *ranks.get(layer)?))) else { continue };
        for name in named_modules(&source.code()) {
            let Some(other) = ranks.get(name.as_str()) else { continue };
            if name != layer && *other >= rank {
                findings.push(format!("{}: `{layer}` uses `{name}`, which is not below it", source.path));
            }
        }
    }
    nothing(&findings);
}

#[test]
fn every_layer_is_known() {
    let other = ["core", "bin", "lib"];
    let known: BTreeSet<_> = LAYERS.iter().map(|(name, _)| *name).chain(other).collect();
    let unknown = rust(&["runtime"]).into_iter().filter(|source| !known.contains(source.layer().unwrap()));
    nothing(&unknown.map(|source| format!("{}: a folder that no layer names", source.path)).collect::<Vec<_>>());
}

#[test]
fn the_core_knows_nothing_of_the_outside() {
    let outside = Regex::new(OUTSIDE).unwrap();
    let mut findings = Vec::new();
    // Its tests may read what they test with.
    let tests = |path: &str| path.contains("/tests/") || path.ends_with("/tests.rs");
    for source in rust(&["runtime/core"]).into_iter().filter(|source| !tests(&source.path)) {
        let code: Vec<_> = source.text.lines().take(source.length()).collect();
        let code = code.iter().enumerate().filter(|(_, text)| !text.trim_start().starts_with("//"));
        for (line, text) in code.filter(|(_, text)| outside.is_match(text)) {
            findings.push(format!("{}:{}: {}", source.path, line + 1, text.trim()));
        }
    }
    nothing(&findings);
}

#[test]
fn lua_is_embedded_in_few_places() {
    let allowed = |path: &str| {
        ["runtime/policy/", "runtime/modules/"].iter().any(|folder| path.starts_with(folder))
            || path.ends_with("/lua.rs")
            || path.contains("/lua/")
            || path.starts_with("runtime/tools/spec/world/")
    };
    let uses = rust(&["runtime"]).into_iter().filter(|source| !allowed(&source.path));
    let uses = uses.filter(|source| source.code().contains("mlua::"));
    nothing(&uses.map(|source| format!("{}: `mlua` outside of the folders for it", source.path)).collect::<Vec<_>>());
}

#[test]
fn no_state_is_process_wide() {
    let banned =
        Regex::new(r"\b(LazyLock|OnceLock|OnceCell|LazyCell|thread_local!|lazy_static!|static mut)\b?").unwrap();
    let item = Regex::new(r"(?m)^\s*(?:pub(?:\([^)]*\))? )?static \w+: *([^=;]+)").unwrap();
    // Data that never changes is no state.
    let constant = Regex::new(r"^(&|\[|include_dir::Dir|Dir\b|str\b|u\d+\b)").unwrap();
    let mut findings = Vec::new();
    for source in rust(&["runtime"]) {
        // A bin installs what is process-wide by nature: the allocator, the log subscriber.
        if source.path.starts_with("runtime/bin/") {
            continue;
        }
        let code = source.code();
        findings.extend(banned.find_iter(&code).map(|found| format!("{}: `{}`", source.path, found.as_str())));
        let items = item.captures_iter(&code).filter(|found| !constant.is_match(&found[1]));
        findings.extend(items.map(|found| format!("{}: `{}`", source.path, found[0].trim())));
    }
    nothing(&findings);
}

#[test]
fn bins_only_read_their_arguments() {
    let long = rust(&["runtime/bin"]).into_iter().filter(|source| source.text.lines().count() >= 60);
    nothing(&long.map(|source| format!("{}: 60 lines or more", source.path)).collect::<Vec<_>>());
}

#[test]
fn files_hold_one_thing() {
    let code = rust(&["runtime"]).into_iter().filter(|source| !source.path.ends_with("/tests.rs"));
    let long = code.filter(|source| source.length() > LONGEST_FILE);
    nothing(&long.map(|source| format!("{}: {} lines", source.path, source.length())).collect::<Vec<_>>());
}

#[test]
fn names_say_what_a_thing_is() {
    let file = Regex::new(r"(^|/)(utils?|common|helpers?|misc|managers?|impls?)(\.rs|/)").unwrap();
    let item = Regex::new(r"\b(?:struct|enum|trait|type) (\w*(?:Manager|Impl|Utils?|Helper))\b").unwrap();
    let mut findings = Vec::new();
    for source in rust(&["runtime"]) {
        if file.is_match(&source.path) {
            findings.push(format!("{}: a name that says nothing", source.path));
        }
        let code = source.code();
        findings.extend(item.captures_iter(&code).map(|found| format!("{}: `{}`", source.path, &found[1])));
    }
    nothing(&findings);
}

/// The ids in `docs/semantics.md`.
fn clauses() -> BTreeSet<String> {
    let text = read("docs/semantics.md");
    let id = Regex::new(r"\*\*([A-Z]\d+)\*\*").unwrap();
    id.captures_iter(&text).map(|found| found[1].to_lowercase()).collect()
}

#[test]
fn every_clause_is_named_by_a_test() {
    // The name of a test begins with the ids of the clauses that it holds: `fn t1_...`, `fn r1_r3_...`.
    let function = Regex::new(r"\bfn ((?:[a-z]\d+_)+)").unwrap();
    let mut named = BTreeSet::new();
    for source in rust(&["runtime", "tests"]) {
        // Not this file: the comment above names no test.
        for found in function.captures_iter(&source.code()) {
            named.extend(found[1].split('_').map(ToOwned::to_owned));
        }
    }
    let clauses = clauses();
    assert!(clauses.len() >= 40, "docs/semantics.md has lost its clauses: {clauses:?}");
    let unheld: Vec<_> = clauses.difference(&named).map(|id| format!("{}: no test", id.to_uppercase())).collect();
    nothing(&unheld);
}

#[test]
fn the_repository_speaks_of_the_project_alone() {
    // Spelled apart, so that this file does not hold them.
    let words = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let mut findings = Vec::new();
    for source in tracked() {
        for (line, text) in source.text.lines().enumerate() {
            let found = words.iter().filter(|word| text.contains(**word));
            findings.extend(found.map(|word| format!("{}:{}: `{word}`", source.path, line + 1)));
        }
    }
    nothing(&findings);
}

#[test]
fn the_architecture_is_short_and_names_every_dependency() {
    let text = read("ARCHITECTURE.md");
    assert!(text.lines().count() < 200, "ARCHITECTURE.md: 200 lines or more");
    let mut findings = Vec::new();
    for manifest in ["Cargo.toml", "runtime/core/Cargo.toml"] {
        let manifest: toml::Table = toml::from_str(&read(manifest)).unwrap();
        for section in ["dependencies", "dev-dependencies"] {
            let names = manifest.get(section).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
            let missing = names.filter(|name| !text.contains(&format!("`{name}`")));
            findings.extend(missing.map(|name| format!("ARCHITECTURE.md: no reason for `{name}`")));
        }
    }
    nothing(&findings);
}

#[test]
fn the_code_map_names_every_folder() {
    let text = read("ARCHITECTURE.md");
    let mut findings = Vec::new();
    for parent in ["", "runtime", "runtime/core"] {
        for entry in fs::read_dir(root().join(parent)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let hidden = name == "target" || name == "node_modules" || name == ".git";
            if entry.path().is_dir() && !hidden && !text.contains(&format!("{name}/")) {
                findings.push(format!("ARCHITECTURE.md: no word of `{parent}/{name}/`"));
            }
        }
    }
    nothing(&findings);
}
