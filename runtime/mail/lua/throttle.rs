//! `kumo.make_throttle` (interface A.13).

use std::sync::Arc;
use std::time::Duration;

use kumo_tsa_core::wire::{Throttle, format_duration};
use mlua::{AnyUserData, Error, Lua, MetaMethod, Result, Table, UserData, UserDataMethods};

use crate::host::{Clock, Host};
use crate::mail::Message;
use crate::mail::throttle::{Outcome, Throttles};
use crate::policy;

/// A throttle that a policy asks by itself.
struct Named {
    key: Arc<str>,
    throttle: Throttle,
    throttles: Arc<Throttles>,
    clock: Clock,
}

/// Puts `kumo.make_throttle` there.
pub(crate) fn install(lua: &Lua, host: &Host) -> Result<()> {
    let (throttles, clock) = (Throttles::of(host), host.clock().clone());
    let make = lua.create_function(move |_, (name, spec): (String, String)| {
        let throttle = spec.parse().map_err(|bad| Error::runtime(format!("kumo.make_throttle: {bad}")))?;
        let key = format!("lua-user-throttle-{name}").into();
        Ok(Named { key, throttle, throttles: throttles.clone(), clock: clock.clone() })
    })?;
    policy::table(lua, "kumo")?.set("make_throttle", make)
}

impl Named {
    fn attempt(&self) -> Outcome {
        self.throttles.attempt(&self.key, &self.throttle)
    }

    fn explain(&self) -> String {
        let Throttle { limit, period, .. } = self.throttle;
        let (burst, period) = (self.throttle.burst(), format_duration(period));
        format!("`{}`: {limit} in {period}, of which {burst} may come at once", self.throttle)
    }
}

/// In whole seconds, rounded up, so that who waits that long does not come too early.
fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

fn show(lua: &Lua, outcome: &Outcome) -> Result<Table> {
    let table = lua.create_table()?;
    table.set("throttled", outcome.wait.is_some())?;
    table.set("limit", outcome.burst)?;
    table.set("remaining", outcome.remaining)?;
    table.set("reset_after", seconds(outcome.reset_after))?;
    table.set("retry_after", outcome.wait.map(seconds))?;
    Ok(table)
}

impl UserData for Named {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("throttle", |lua, this, ()| show(lua, &this.attempt()));
        methods.add_method("explain", |_, this, ()| Ok(this.explain()));
        methods.add_async_method("sleep_if_throttled", |_, this, ()| {
            let (key, throttle, throttles) = (this.key.clone(), this.throttle, this.throttles.clone());
            async move {
                let mut slept = false;
                while let Err(wait) = throttles.check(&key, &throttle) {
                    slept = true;
                    tokio::time::sleep(wait).await;
                }
                Ok(slept)
            }
        });
        methods.add_method("delay_message_if_throttled", |_, this, message: AnyUserData| {
            let message = message.borrow::<Message>().map_err(|_| {
                Error::runtime("delay_message_if_throttled: expected a message, as the event was given")
            })?;
            let Some(wait) = this.attempt().wait else { return Ok(false) };
            message.set_due(Some(this.clock.now().after(wait)));
            Ok(true)
        });
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(format!("{} {}", this.key, this.throttle)));
    }
}
