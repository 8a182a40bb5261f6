//! Files that travel inside the executable, so that one binary runs without an installation.

use std::path::Path;

use include_dir::{Dir, include_dir};

/// Documented folder and what stands in it.
const SHARE: &[(&str, Dir<'static>)] = &[
    ("/opt/kumomta/share/policy-extras", include_dir!("$CARGO_MANIFEST_DIR/policy-extras")),
    ("/opt/kumomta/share/bounce_classifier", include_dir!("$CARGO_MANIFEST_DIR/policy-extras/bounce_classifier")),
    ("/opt/kumomta/share/lua", include_dir!("$CARGO_MANIFEST_DIR/lua")),
];

/// The file of that documented path.
pub(super) fn file(path: &Path) -> Option<&'static [u8]> {
    SHARE.iter().find_map(|(folder, files)| {
        let rest = path.strip_prefix(folder).ok()?;
        files.get_file(rest).map(include_dir::File::contents)
    })
}
