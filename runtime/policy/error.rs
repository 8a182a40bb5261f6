//! What can go wrong between Rust and Lua.

use std::fmt;
use std::time::Duration;

/// Why a policy could not be loaded, or an event failed.
///
/// The text names the event and what happened; the cause carries the Lua traceback. Print it with [`explain`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The policy file cannot be read, does not parse, or raised while it ran.
    #[error("Error evaluating policy file `{file}`")]
    Load {
        /// The path as it was given.
        file: String,
        /// What was raised, with file and line.
        #[source]
        source: Raised,
    },
    /// The policy file itself ran out of time.
    #[error("Error evaluating policy file `{file}`: {why}")]
    LoadTime {
        /// The path as it was given.
        file: String,
        /// Which limit, in words.
        why: String,
    },
    /// A handler raised an error.
    #[error("event `{event}`")]
    Raised {
        /// The event.
        event: String,
        /// What was raised, and where.
        #[source]
        source: Raised,
    },
    /// An argument cannot be given to Lua.
    #[error("event `{event}`: its arguments cannot be given to Lua")]
    Arguments {
        /// The event.
        event: String,
        /// Why not.
        #[source]
        source: mlua::Error,
    },
    /// A handler returned something else than the event asks for.
    #[error("event `{event}`: returned {got}, {why}")]
    Returned {
        /// The event.
        event: String,
        /// The Lua types that were returned.
        got: String,
        /// What was expected, as a policy calls it.
        why: String,
    },
    /// A handler waited and ran for too long.
    #[error("event `{event}`: did not finish within {} s", after.as_secs_f64())]
    Late {
        /// The event.
        event: String,
        /// The limit.
        after: Duration,
    },
    /// No Lua context became free in time: all of them are in use.
    #[error("event `{event}`: no Lua context became free within {} s: {live} are in use", after.as_secs_f64())]
    Busy {
        /// The event.
        event: String,
        /// The limit.
        after: Duration,
        /// How many contexts there may be at a time.
        live: usize,
    },
    /// Rust code that a handler called panicked.
    #[error("event `{event}`: a function of the host panicked: {message}")]
    Panicked {
        /// The event.
        event: String,
        /// What the panic says.
        message: String,
    },
    /// An earlier call in the same pinned context failed, and the context ended with it.
    #[error("event `{event}`: an earlier call in this Lua context failed")]
    Spent {
        /// The event.
        event: String,
    },
    /// An event that must be answered has no handler, or none that answered.
    #[error("event `{event}` has not been registered")]
    NotRegistered {
        /// The event.
        event: String,
    },
}

impl Error {
    /// The error that a Rust function raised, when it is a `T`; looks through what Lua put around it.
    pub fn downcast_ref<T: std::error::Error + 'static>(&self) -> Option<&T> {
        match self {
            Self::Load { source, .. } | Self::Raised { source, .. } => source.downcast_ref(),
            _ => None,
        }
    }
}

/// An error that came out of Lua: its message and the Lua traceback.
#[derive(Clone, Debug)]
pub struct Raised(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    message: String,
    traceback: Option<String>,
    cause: mlua::Error,
}

impl Raised {
    /// The message alone, without the traceback.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The Lua call stack where it was raised.
    pub fn traceback(&self) -> Option<&str> {
        self.0.traceback.as_deref()
    }

    /// The error that a Rust function raised, when it is a `T`.
    pub fn downcast_ref<T: std::error::Error + 'static>(&self) -> Option<&T> {
        self.0.cause.downcast_ref()
    }

    /// The error as Lua raised it.
    pub fn cause(&self) -> &mlua::Error {
        &self.0.cause
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match &self.0.traceback {
            Some(traceback) => write!(f, "\n{traceback}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Raised {}

const TRACEBACK: &str = "\nstack traceback:";

impl From<mlua::Error> for Raised {
    fn from(cause: mlua::Error) -> Self {
        let (message, traceback) = parts(&cause);
        Self(Box::new(Parts { message, traceback, cause }))
    }
}

/// Splits an error into message and traceback; the innermost traceback of nested callbacks is the full one.
fn parts(error: &mlua::Error) -> (String, Option<String>) {
    match error {
        mlua::Error::CallbackError { traceback, cause } => {
            let (message, inner) = parts(cause);
            (message, Some(inner.unwrap_or_else(|| traceback.trim_end().to_owned())))
        }
        mlua::Error::WithContext { context, cause } => {
            let (message, traceback) = parts(cause);
            (format!("{context}: {message}"), traceback)
        }
        mlua::Error::RuntimeError(text) | mlua::Error::MemoryError(text) => split(text),
        mlua::Error::SyntaxError { message, .. } => split(message),
        mlua::Error::ExternalError(error) => split(&explain(error.as_ref())),
        other => split(&other.to_string()),
    }
}

fn split(text: &str) -> (String, Option<String>) {
    match text.find(TRACEBACK) {
        Some(at) => (text[..at].to_owned(), Some(text[at + 1..].trim_end().to_owned())),
        None => (text.trim_end().to_owned(), None),
    }
}

/// An error and its causes in one text, joined by `: `, as `{:#}` prints them.
pub fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// What a conversion from Lua expected, without the names of Rust types where the conversion has better words.
pub(super) fn expectation(error: mlua::Error) -> String {
    match error {
        mlua::Error::FromLuaConversionError { message: Some(message), .. } if message.starts_with("expected ") => {
            message
        }
        mlua::Error::BadArgument { cause, .. } => expectation((*cause).clone()),
        other => Raised::from(other).message().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_tracebacks_come_apart() {
        let raised = Raised::from(mlua::Error::runtime("x.lua:1: no\nstack traceback:\n\t[C]: in function 'error'"));
        assert_eq!(raised.message(), "x.lua:1: no");
        assert_eq!(raised.traceback(), Some("stack traceback:\n\t[C]: in function 'error'"));
    }
}
