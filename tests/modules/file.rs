//! `kumo.fs`.

use kumo_tsa::host::Paths;

use super::Tables;

/// A prefix with two policy files below it.
fn prefix() -> (tempfile::TempDir, Tables) {
    let folder = tempfile::tempdir().unwrap();
    let etc = folder.path().join("opt/kumomta/etc/policy");
    std::fs::create_dir_all(&etc).unwrap();
    std::fs::write(etc.join("a.toml"), "x = 1\n").unwrap();
    std::fs::write(etc.join("b.lua"), "one\ntwo\n").unwrap();
    let tables = Tables::with_paths(Paths::with_prefix(folder.path()));
    (folder, tables)
}

#[test]
fn documented_paths_stay_documented() {
    let (_folder, tables) = prefix();
    tables
        .gives("return kumo.fs.read_dir('/opt/kumomta/etc/policy')", r#"[ "/opt/kumomta/etc/policy/a.toml", "/opt/kumomta/etc/policy/b.lua" ]"#)
        .gives("return kumo.glob('/opt/kumomta/etc/**/*.toml')", r#"[ "/opt/kumomta/etc/policy/a.toml" ]"#)
        .gives("return kumo.fs.uncached_glob('*.lua', '/opt/kumomta/etc/policy')", r#"[ "/opt/kumomta/etc/policy/b.lua" ]"#)
        .gives("return kumo.fs.glob('/opt/kumomta/none/*')", "{}")
        .gives("return kumo.toml_load('/opt/kumomta/etc/policy/a.toml').x", "1")
        .gives("local m = kumo.fs.metadata_for_path('/opt/kumomta/etc/policy/a.toml') return m.is_file, m.is_dir, m.len, m.modified > 0", "true, false, 6, true")
        .gives("return kumo.fs.symlink_metadata_for_path('/opt/kumomta/etc').is_symlink", "false")
        .raises("kumo.fs.read_dir('/opt/kumomta/none')", "kumo.fs.read_dir: `/opt/kumomta/none`: No such file")
        .raises("kumo.fs.glob('a***')", "kumo.fs.glob: `a***`: ")
        .raises("kumo.fs.metadata_for_path({})", "bad argument #1 to `kumo.fs.metadata_for_path`");
}

#[test]
fn files_are_read_and_written() {
    let (_folder, tables) = prefix();
    tables
        .gives("local f = kumo.fs.open('/opt/kumomta/etc/policy/b.lua') local l, r = f:read_line(), f:read(2) return l, r, f:read(), f:read_line(), f:seek('set', 1), f:read(2)", "one, tw, o\n, nil, 1, ne")
        .gives(
            "local f = kumo.fs.open('/opt/kumomta/etc/policy/new', 'w') f:write('abc') f:close()
             f = kumo.open('/opt/kumomta/etc/policy/new', 'r+') f:read(1) f:write('X') f:seek('end') f:write('d') f:seek('set') return f:read()",
            "aXcd",
        )
        .raises("local f = kumo.fs.open('/opt/kumomta/etc/policy/b.lua') f:close() f:read()", "the file is closed")
        .raises("kumo.fs.open('/opt/kumomta/etc/policy/b.lua', 'q')", "kumo.fs.open: `/opt/kumomta/etc/policy/b.lua`: invalid mode `q`")
        .raises("kumo.fs.open('/opt/kumomta/etc/policy/b.lua'):seek('middle')", "invalid position `middle`");
}
