//! Why a message was put into a scheduled queue (interface C.9).

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One of the reasons.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// As log records and the event `requeue_message` name it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

reasons! {
    /// It was just accepted.
    Received,
    /// It was found in the spool at start.
    Enumerated,
    /// Its sender asked for a later time.
    ScheduledForLater,
    /// The egress path is suspended.
    ReadyQueueWasSuspended,
    /// A message rate is exhausted.
    MessageRateThrottle,
    /// `throttle_insert_ready_queue` set a later time.
    ThrottledByThrottleInsertReadyQueue,
    /// The ready queue holds `max_ready` messages.
    ReadyQueueWasFull,
    /// It could not be put into a ready queue.
    FailedToInsertIntoReadyQueue,
    /// Its meta names no queue.
    MessageGetQueueNameFailed,
    /// An administrator moved it.
    AdminRebind,
    /// It is its time.
    DueTimeWasReached,
    /// `max_ready` became less than what the ready queue holds.
    MaxReadyWasReducedByConfigUpdate,
    /// There is too little memory.
    ReadyQueueWasDelayedDueToLowMemory,
    /// The domain takes no mail.
    FailedDueToNullMx,
    /// The domain's exchangers have no addresses.
    MxResolvedToZeroHosts,
    /// The exchangers are among `prohibited_hosts`.
    MxWasProhibited,
    /// The exchangers are among `skip_hosts`.
    MxWasSkipped,
    /// Too many connections failed in a row.
    TooManyConnectionFailures,
    /// It has more recipients than a transaction takes.
    TooManyRecipients,
    /// The connection rate is exhausted.
    ConnectionRateThrottle,
    /// An attempt failed for now, and a record says so.
    LoggedTransientFailure,
    /// The ready queue ended.
    ReadyQueueWasReaped,
    /// A session ended without a word on it.
    DispatcherDrop,
    /// The peer closed the connection.
    PeerClosedConnection,
    /// The queue's protocol is another now.
    ProtocolChanged,
    /// The spool takes no writes.
    SpoolUnhealthy,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether an insertion with these reasons is told of by a `Delayed` record (interface C.6).
pub(super) fn is_told(reasons: &[Reason]) -> bool {
    reasons != [Reason::Enumerated] && !reasons.contains(&Reason::LoggedTransientFailure)
}

/// The reasons as a `Delayed` record lists them.
pub(super) fn text(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| reason.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told() {
        assert!(!is_told(&[Reason::Enumerated]));
        assert!(is_told(&[Reason::Enumerated, Reason::ReadyQueueWasFull]));
        assert!(!is_told(&[Reason::LoggedTransientFailure, Reason::TooManyConnectionFailures]));
        assert_eq!(text(&[Reason::Received, Reason::ScheduledForLater]), "Received, ScheduledForLater");
    }
}
