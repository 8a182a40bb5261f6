//! `kumo.regex`: regular expressions with look-around and backreferences (interface A.12).

use fancy_regex::{Captures, Regex};
use mlua::{ErrorContext, ExternalError, Lua, MetaMethod, Result, Table, UserData, UserDataMethods};

use super::function::Functions;
use crate::host::Host;
use crate::policy;

/// A compiled pattern.
///
/// Matching does a bounded number of steps; a pattern that would need more raises an error.
struct Pattern(Regex);

/// Puts `kumo.regex` in place.
pub fn install(lua: &Lua, _host: &Host) -> Result<()> {
    Functions::of(lua, policy::table(lua, "kumo.regex")?, "kumo.regex")
        .add("compile", |_, pattern: String| {
            Regex::new(&pattern)
                .map(Pattern)
                .map_err(ExternalError::into_lua_err)
                .with_context(|_| format!("kumo.regex.compile: invalid pattern `{pattern}`"))
        })?
        .add("escape", |_, text: String| Ok(fancy_regex::escape(&text).into_owned()))?;
    Ok(())
}

impl Pattern {
    fn replacen(&self, text: &str, limit: usize, with: &str) -> Result<String> {
        self.done(self.0.try_replacen(text, limit, with)).map(std::borrow::Cow::into_owned)
    }

    fn done<T>(&self, result: fancy_regex::Result<T>) -> Result<T> {
        result
            .map_err(ExternalError::into_lua_err)
            .with_context(|_| format!("matching the pattern `{}`", self.0.as_str()))
    }

    /// Index 0 is the whole match; then the groups that took part, by number and by name.
    fn captures(&self, lua: &Lua, captures: &Captures<'_, str>) -> Result<Table> {
        let table = lua.create_table()?;
        for (i, name) in self.0.capture_names().enumerate() {
            let Some(group) = captures.get(i) else { continue };
            table.raw_set(i, group.as_str())?;
            if let Some(name) = name {
                table.raw_set(name, group.as_str())?;
            }
        }
        Ok(table)
    }
}

impl UserData for Pattern {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("captures", |lua, this, text: String| {
            let captures = this.done(this.0.captures(text.as_str()))?;
            captures.map(|captures| this.captures(lua, &captures)).transpose()
        });
        methods.add_method("is_match", |_, this, text: String| this.done(this.0.is_match(text.as_str())));
        methods.add_method("find", |_, this, text: String| {
            Ok(this.done(this.0.find(text.as_str()))?.map(|m| m.as_str().to_owned()))
        });
        methods.add_method("find_all", |_, this, text: String| {
            this.0.find_iter(text.as_str()).map(|m| Ok(this.done(m)?.as_str().to_owned())).collect::<Result<Vec<_>>>()
        });
        methods.add_method("replace", |_, this, (text, with): (String, String)| this.replacen(&text, 1, &with));
        methods.add_method("replace_all", |_, this, (text, with): (String, String)| this.replacen(&text, 0, &with));
        methods.add_method("replacen", |_, this, (text, n, with): (String, usize, String)| {
            // To the library 0 means all; to a policy that counts, it means none.
            if n == 0 { Ok(text) } else { this.replacen(&text, n, &with) }
        });
        methods.add_method("split", |_, this, text: String| {
            this.0.split(&text).map(|part| this.done(part).map(str::to_owned)).collect::<Result<Vec<_>>>()
        });
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.0.as_str().to_owned()));
    }
}
