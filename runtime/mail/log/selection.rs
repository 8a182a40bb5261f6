//! Which records are written, and how each kind is (`per_record` in interface A.4).

use kumo_tsa_core::wire::Kind;

use super::record::Row;
use super::template::Template;

/// How one kind of record is written.
#[derive(Clone, Debug, Default)]
pub(in crate::mail) struct Form {
    /// In place of JSON.
    pub(in crate::mail) template: Option<Template>,
    /// Which of a log's places it goes to.
    pub(in crate::mail) place: usize,
}

impl Form {
    /// The text of a record. A template that fails on it gives way to JSON, so that nothing is lost.
    pub(super) fn write(&self, row: &Row<'_>) -> String {
        let from_template = self.template.as_ref().and_then(|template| {
            template
                .render(row)
                .inspect_err(|why| tracing::error!("a record is written as JSON: its template: {why}"))
                .ok()
        });
        from_template.unwrap_or_else(|| {
            serde_json::to_string(row).unwrap_or_else(|cause| {
                // Maps with keys that are no text alone cannot be written, and a record has none.
                tracing::error!("a record cannot be written: {cause}");
                String::new()
            })
        })
    }
}

/// What `per_record` says: of a kind, else of `Any`; what neither names is written as JSON.
#[derive(Clone, Debug, Default)]
pub(in crate::mail) struct Selection {
    /// By kind, where none is `Any`; what is not written has no form.
    said: Vec<(Option<Kind>, Option<Form>)>,
    other: Form,
}

impl Selection {
    /// Says it of a kind, or of `Any`; `None` for what is not written.
    pub(in crate::mail) fn set(&mut self, kind: Option<Kind>, form: Option<Form>) {
        self.said.push((kind, form));
    }

    /// How a kind is written, if it is.
    pub(in crate::mail) fn form(&self, kind: Kind) -> Option<&Form> {
        let said = |of: Option<Kind>| self.said.iter().find(move |(named, _)| *named == of).map(|(_, form)| form);
        match said(Some(kind)).or_else(|| said(None)) {
            Some(form) => form.as_ref(),
            None => Some(&self.other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_goes_before_any() {
        let mut selection = Selection::default();
        assert_eq!(selection.form(Kind::Delivery).unwrap().place, 0);
        selection.set(None, None);
        selection.set(Some(Kind::Bounce), Some(Form { place: 2, template: None }));
        assert!(selection.form(Kind::Delivery).is_none());
        assert_eq!(selection.form(Kind::Bounce).unwrap().place, 2);
    }
}
