//! Running a policy file as a script (interface F.5).

use std::path::Path;
use std::time::Duration;

use super::lua::argument::Arguments;
use crate::host::Host;
use crate::policy::{Error, Event, Options, Policy};

const MAIN: Event<Arguments, ()> = Event::single("main");

/// A script may take its time.
const LIMIT: Duration = Duration::from_hours(24);

/// Evaluates `file` and calls its event `main` with `args`, one text each. No other event is called: nothing listens,
/// nothing is taken up from disk.
///
/// # Errors
/// When the file does not evaluate, has no handler for `main`, or when that fails.
pub async fn run(host: &Host, file: &Path, args: Vec<String>) -> Result<(), Error> {
    let options = Options { without_yielding: LIMIT, overall: LIMIT, ..Options::default() };
    let policy = Policy::load_with(host, file, &super::installs(), options).await?;
    if !policy.defines(MAIN.name()) {
        return Err(Error::NotRegistered { event: MAIN.name().to_owned() });
    }
    let args = args.into_iter().map(Into::into).collect();
    policy.call(&MAIN, Arguments(args)).await.map(drop)
}
