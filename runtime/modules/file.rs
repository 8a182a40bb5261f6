//! Reading the files that a policy names.

use std::path::Path;

use mlua::Result;

use super::function::failure;
use crate::host::Host;

/// Reads a file from where the documented path leads, or as it travels inside the executable.
pub(super) fn read_text(host: &Host, path: &Path) -> Result<String> {
    let failed = |why: &dyn std::fmt::Display| failure(format!("reading `{}`: {why}", path.display()));
    let bytes = host.paths().read(path).map_err(|e| failed(&e))?;
    String::from_utf8(bytes.into_owned()).map_err(|e| failed(&e))
}
