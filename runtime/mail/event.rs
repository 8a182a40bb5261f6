//! The events of a host's life (interface B.4, B.5).

use crate::policy::Event;

/// Asked first, of each handler: where log hooks are configured.
pub const PRE_INIT: Event<(), ()> = Event::multiple("pre_init");
/// Asked once, before mail moves: where listeners, spools and logs are configured.
pub const INIT: Event<(), ()> = Event::single("init");
/// Asked of each handler when a policy is validated.
pub const VALIDATE_CONFIG: Event<(), ()> = Event::multiple("validate_config");
/// Asked when the host stops, before its logs are closed.
pub const SHUTDOWN_LOGGING: Event<(), ()> = Event::single("shutdown_logging");
