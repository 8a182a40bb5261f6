//! Which meta values and headers a record carries (`meta` and `headers` in interface A.4).

use serde_json::{Map, Value};

/// Names to capture: exact ones, and those that begin with something, written `begin*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::mail) struct Names(Vec<Name>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Exact(String),
    Prefix(String),
}

impl Names {
    pub(in crate::mail) fn parse(texts: &[String]) -> Self {
        let name = |text: &String| match text.strip_suffix('*') {
            Some(prefix) => Name::Prefix(prefix.to_owned()),
            None => Name::Exact(text.clone()),
        };
        Self(texts.iter().map(name).collect())
    }

    pub(in crate::mail) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wanted of a message's meta. What is absent, or null, is left out.
    pub(in crate::mail) fn of_meta(&self, meta: &Map<String, Value>) -> Map<String, Value> {
        let mut found = Map::new();
        for name in &self.0 {
            match name {
                Name::Exact(name) => found.extend(meta.get(name).map(|value| (name.clone(), value.clone()))),
                Name::Prefix(prefix) => {
                    let fits = meta.iter().filter(|(key, _)| key.starts_with(prefix));
                    found.extend(fits.map(|(key, value)| (key.clone(), value.clone())));
                }
            }
        }
        found.retain(|_, value| !value.is_null());
        found
    }

    /// What is wanted of the headers, whose names have no case; of a name that comes several times the first.
    ///
    /// Under an exact name it is the policy's spelling that is kept.
    pub(in crate::mail) fn of_headers(&self, headers: &[(String, String)]) -> Map<String, Value> {
        let mut found = Map::new();
        for name in &self.0 {
            match name {
                Name::Exact(name) => {
                    if let Some((_, value)) = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)) {
                        found.insert(name.clone(), value.as_str().into());
                    }
                }
                Name::Prefix(prefix) => {
                    let fits = |key: &str| key.get(..prefix.len()).is_some_and(|s| s.eq_ignore_ascii_case(prefix));
                    for (key, value) in headers.iter().filter(|(key, _)| fits(key)) {
                        if !found.keys().any(|known| known.eq_ignore_ascii_case(key)) {
                            found.insert(key.clone(), value.as_str().into());
                        }
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(texts: &[&str]) -> Names {
        Names::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn meta_is_captured_by_name_and_beginning() {
        let meta = json!({"tenant": "t", "user.a": 1, "user.b": null, "other": true});
        let meta = meta.as_object().unwrap();
        assert_eq!(
            Value::from(names(&["tenant", "user.*", "absent"]).of_meta(meta)),
            json!({"tenant": "t", "user.a": 1})
        );
        assert_eq!(Value::from(names(&["*"]).of_meta(meta)), json!({"tenant": "t", "user.a": 1, "other": true}));
        assert!(names(&[]).of_meta(meta).is_empty());
    }

    #[test]
    fn headers_have_no_case() {
        let headers: Vec<_> = [("Subject", "hello"), ("X-Ref", "1"), ("x-ref", "2"), ("X-É", "y")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(
            Value::from(names(&["SUBJECT", "x-*"]).of_headers(&headers)),
            json!({"SUBJECT": "hello", "X-Ref": "1", "X-É": "y"})
        );
    }
}
