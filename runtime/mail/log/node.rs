//! The id of this node, which stands in every record (`nodeid` in interface C.6).

use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::host::Paths;

/// Where the id is kept unless `KUMO_NODE_ID_PATH` says otherwise.
const DEFAULT: &str = "/opt/kumomta/etc/.nodeid";

/// The id of this node: `KUMO_NODE_ID`, else what the file of `KUMO_NODE_ID_PATH` holds. A file that is missing is made.
///
/// A file that cannot be used is told of, and the process goes on with an id that ends with it.
pub(super) fn load_node_id(paths: &Paths, variable: impl Fn(&str) -> Option<String>) -> Uuid {
    if let Some(text) = variable("KUMO_NODE_ID") {
        match Uuid::try_parse(text.trim()) {
            Ok(id) => return id,
            Err(cause) => tracing::error!("`KUMO_NODE_ID` is no UUID, and is passed over: `{text}`: {cause}"),
        }
    }
    let documented = variable("KUMO_NODE_ID_PATH").map_or_else(|| PathBuf::from(DEFAULT), PathBuf::from);
    let file = paths.resolve(&documented);
    match load(&file) {
        Ok(id) => id,
        Err(cause) => {
            let id = Uuid::new_v4();
            tracing::warn!(
                "cannot keep the node's id in `{}`: {cause}; until the process ends it is {id}",
                file.display()
            );
            id
        }
    }
}

fn load(file: &Path) -> io::Result<Uuid> {
    match std::fs::read_to_string(file) {
        Ok(text) => Uuid::try_parse(text.trim())
            .map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, format!("it holds no UUID: {cause}"))),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let id = Uuid::new_v4();
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(file, format!("{id}\n"))?;
            Ok(id)
        }
        Err(cause) => Err(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::with_prefix(folder.path());
        let made = load_node_id(&paths, |_| None);
        assert_eq!(load_node_id(&paths, |_| None), made);
        assert!(folder.path().join("opt/kumomta/etc/.nodeid").exists());
    }

    #[test]
    fn the_environment_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::documented();
        let id = Uuid::from_u128(7);
        let given = |name: &str| (name == "KUMO_NODE_ID").then(|| id.to_string());
        assert_eq!(load_node_id(&paths, given), id);
        let file = folder.path().join("id");
        std::fs::write(&file, format!(" {id}\n")).unwrap();
        let path = |name: &str| (name == "KUMO_NODE_ID_PATH").then(|| file.display().to_string());
        assert_eq!(load_node_id(&paths, path), id);
        std::fs::write(&file, "nonsense").unwrap();
        assert_ne!(load_node_id(&paths, path), id, "what is no id is replaced for the process alone");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "nonsense");
    }
}
