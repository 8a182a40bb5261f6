//! Tasks that a policy starts with `kumo.spawn_task` (interface B.8).

use mlua::LuaSerdeExt;
use mlua::serde::SerializeOptions;
use serde_json::Value;

use super::vm::{Failure, Vm};
use super::{Error, Policy, explain};

impl Policy {
    /// Starts a task: the event's handler runs in a context of its own, beside everything else, until it returns or the
    /// host is asked to stop. It may take as long as it likes; 5 s without yielding end it as they end any handler.
    ///
    /// The handler gets `args` as one value. Its errors are logged. Nothing happens while the policy is being validated.
    ///
    /// # Errors
    /// When there is no tokio runtime to run on.
    pub fn spawn(&self, event: String, args: Value) -> std::io::Result<()> {
        if self.is_validating() {
            return Ok(());
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(std::io::Error::other)?;
        let policy = self.clone();
        runtime.spawn(async move {
            let host = policy.host().clone();
            tokio::select! {
                biased;
                () = host.shutdown().requested() => {}
                outcome = policy.run_task(&event, args) => {
                    if let Err(error) = outcome {
                        tracing::error!("spawned task: {}", explain(&error));
                    }
                }
            }
        });
        Ok(())
    }

    async fn run_task(&self, event: &str, args: Value) -> Result<(), Error> {
        let vm = Vm::load(&self.0).await?;
        if !vm.has_handler(event) {
            return Err(Error::NotRegistered { event: event.to_owned() });
        }
        let options = SerializeOptions::new().serialize_none_to_null(false).serialize_unit_to_null(false);
        let args = vm
            .lua
            .to_value_with(&args, options)
            .map_err(|source| Error::Arguments { event: event.to_owned(), source })?;
        let args = mlua::MultiValue::from_iter([args]);
        vm.ask(event, args).await.map_err(|failure: Failure| failure.of_event(event))?;
        Ok(())
    }
}
