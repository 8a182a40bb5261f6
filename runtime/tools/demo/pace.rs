//! Time under control: a runtime whose clock leaps from one thing that is due to the next, and what slows it down to a pace
//! that people can follow.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// How often, in real time, the clock is held back.
const STEP: Duration = Duration::from_millis(50);
/// Blocking work that is still going on when all else has stopped is given this long.
const LEFT_OVER: Duration = Duration::from_millis(500);

/// Runs `main` on one thread, with a clock that advances when there is nothing else to do.
pub(in crate::tools) fn block_on<T>(main: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    let ended = runtime.block_on(main);
    runtime.shutdown_timeout(LEFT_OVER);
    ended
}

/// Shows `simulated` in `real` time from now on, as far as the machine can. Does not return.
pub(super) async fn keep(simulated: Duration, real: Duration) {
    let (began, origin) = (std::time::Instant::now(), Instant::now());
    let pace = simulated.as_secs_f64() / real.as_secs_f64().max(0.001);
    loop {
        tokio::time::sleep(STEP.mul_f64(pace.max(0.001))).await;
        let due = origin.elapsed().div_f64(pace.max(0.001));
        if let Some(ahead) = due.checked_sub(began.elapsed()) {
            // While blocking work goes on the clock stands still, and sockets are served.
            let _ = tokio::task::spawn_blocking(move || std::thread::sleep(ahead)).await;
        }
    }
}
