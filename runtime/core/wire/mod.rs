//! What crosses process boundaries: times, durations, rates, names and log records.

mod duration;
mod field;
mod name;
mod record;
mod throttle;
mod time;

pub(crate) use duration::duration_units;
pub use duration::{BadDuration, format_duration, parse_duration};
pub use name::{PathName, QueueName};
pub use record::{BadRecord, EnhancedCode, Kind, Record, Response, is_internal, one_line};
pub use throttle::{BadSpec, Limit, Throttle};
pub use time::{BadTime, Time};
