//! A local log: records written to files (interface C.7).

use std::path::PathBuf;

use super::pattern::Names;
use super::record::{Captured, Record};
use super::selection::Selection;
use super::space::Least;
use super::writer::Writer;

/// One call of `kumo.configure_local_logs`.
#[derive(Debug)]
pub(in crate::mail) struct LocalLog {
    pub(in crate::mail) selection: Selection,
    pub(in crate::mail) meta: Names,
    pub(in crate::mail) headers: Names,
    pub(in crate::mail) writer: Writer,
    /// The real folders, and what must be free there.
    pub(in crate::mail) folders: Vec<PathBuf>,
    pub(in crate::mail) least: Least,
}

impl LocalLog {
    pub(super) async fn write(&self, record: &Record, captured: &Captured) {
        let Some(form) = self.selection.form(record.kind) else { return };
        let mut line = form.write(&record.row(captured));
        if !line.ends_with('\n') {
            line.push('\n');
        }
        self.writer.write(form.place, line.into_bytes()).await;
    }

    /// Why no mail should be taken for now.
    pub(super) fn trouble(&self) -> Option<String> {
        let short = || self.folders.iter().find_map(|folder| self.least.check(folder).err());
        self.writer.trouble().or_else(short)
    }
}
