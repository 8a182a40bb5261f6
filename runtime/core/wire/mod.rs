//! What crosses process boundaries: times, durations, rates, names and log records.

mod duration;
mod name;
mod throttle;
mod time;

pub use duration::{BadDuration, format_duration, parse_duration};
pub use name::{PathName, QueueName};
pub use throttle::{BadSpec, Limit, Throttle};
pub use time::{BadTime, Time};
