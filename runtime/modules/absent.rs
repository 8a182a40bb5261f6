//! Names that policies know and that are not there: calling one says so.

use mlua::{Lua, Value, Variadic};

use crate::host::Host;
use crate::policy;

/// What takes mail in, queues and delivers it.
const MAIL: &[&str] = &[
    "kumo.aaa.configure_acct_log",
    "kumo.api.admin.bounce.bounce",
    "kumo.api.admin.bounce.delete",
    "kumo.api.admin.bounce.list",
    "kumo.api.admin.suspend.delete",
    "kumo.api.admin.suspend.list",
    "kumo.api.admin.suspend.suspend",
    "kumo.api.admin.suspend_ready_q.delete",
    "kumo.api.admin.suspend_ready_q.list",
    "kumo.api.admin.suspend_ready_q.suspend",
    "kumo.api.inject.build_v1",
    "kumo.api.inject.inject_v1",
    "kumo.configure_accounting_db_path",
    "kumo.configure_bounce_classifier",
    "kumo.configure_local_logs",
    "kumo.configure_log_disposition_hook",
    "kumo.configure_log_hook",
    "kumo.define_spool",
    "kumo.disconnect",
    "kumo.dkim.ed25519_signer",
    "kumo.dkim.rsa_sha256_signer",
    "kumo.dmarc.check_msg",
    "kumo.generate_rfc3464_message",
    "kumo.inject_message",
    "kumo.invoke_get_egress_path_config",
    "kumo.invoke_get_egress_pool",
    "kumo.invoke_get_egress_source",
    "kumo.invoke_get_queue_config",
    "kumo.make_egress_path",
    "kumo.make_egress_pool",
    "kumo.make_egress_source",
    "kumo.make_listener_domain",
    "kumo.make_message",
    "kumo.make_queue_config",
    "kumo.reject",
    "kumo.spf.check_host",
    "kumo.spf.check_msg",
    "kumo.start_esmtp_listener",
    "kumo.start_http_listener",
    "kumo.start_proxy_listener",
    "kumo.xfer.xfer_in_requeue",
];

/// What no daemon here has yet.
const LATER: &[&str] = &[
    "kumo.amqp.basic_publish",
    "kumo.amqp.build_client",
    "kumo.compute_egress_path_config_constraints",
    "kumo.compute_queue_config_constraints",
    "kumo.configure_redis_throttles",
    "kumo.format_egress_path_config_constraints",
    "kumo.format_egress_path_config_toml",
    "kumo.format_queue_config_toml",
    "kumo.kafka.build_producer",
    "kumo.make_throttle",
    "kumo.nats.connect",
    "kumo.redis.open",
];

/// Puts a function that raises in the place of each that no daemon has.
pub fn install(lua: &Lua, _host: &Host) -> mlua::Result<()> {
    LATER.iter().try_for_each(|name| put(lua, name, "is not implemented yet"))
}

/// Puts a function that raises in the place of each that belongs to the mail host, for a daemon that is none.
pub fn install_mail(lua: &Lua, _host: &Host) -> mlua::Result<()> {
    MAIL.iter().try_for_each(|name| put(lua, name, "is not available in tsa-daemon: it belongs to kumod"))
}

/// Puts a function that raises in the place of each that belongs to the mail host and that it does not have yet.
pub fn install_unbuilt(lua: &Lua, _host: &Host) -> mlua::Result<()> {
    MAIL.iter().try_for_each(|name| put(lua, name, "is not implemented yet"))
}

fn put(lua: &Lua, name: &'static str, why: &'static str) -> mlua::Result<()> {
    let Some((table, function)) = name.rsplit_once('.') else {
        return Ok(());
    };
    let table = policy::table(lua, table)?;
    if !table.contains_key(function)? {
        let raise = move |_: &Lua, _: Variadic<Value>| -> mlua::Result<()> {
            Err(mlua::Error::runtime(format!("{name} {why}")))
        };
        table.set(function, lua.create_function(raise)?)?;
    }
    Ok(())
}
