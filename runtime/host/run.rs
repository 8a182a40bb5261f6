//! Running a process until it is told to stop.

use std::future::Future;
use std::process::{ExitCode, Termination};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// Blocking work that is still going on when all else has stopped is given this long.
const LEFT_OVER: Duration = Duration::from_millis(500);

/// How many threads a process has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Threads {
    /// That run tasks; as many as there are processors when not given.
    pub workers: Option<usize>,
    /// That block, at most; 512 when not given.
    pub blocking: Option<usize>,
}

/// Runs `main` on a multi-threaded runtime and tells how it ended.
pub fn block_on<T>(main: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    block_on_threads(Threads::default(), main)
}

/// The same with a number of threads.
pub fn block_on_threads<T>(threads: Threads, main: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = threads.workers {
        builder.worker_threads(workers.max(1));
    }
    if let Some(blocking) = threads.blocking {
        builder.max_blocking_threads(blocking.max(1));
    }
    let runtime = builder.enable_all().build()?;
    let ended = runtime.block_on(main);
    runtime.shutdown_timeout(LEFT_OVER);
    ended
}

/// Says on stderr what went wrong, cause by cause, and makes the exit status of it: 1, or else 0 or what was chosen.
#[allow(clippy::print_stderr, reason = "the edge, where an error is printed once")]
pub fn report(ended: anyhow::Result<impl Termination>) -> ExitCode {
    match ended {
        Ok(chosen) => chosen.report(),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns when the process is sent SIGINT, SIGTERM or SIGHUP; tells which.
///
/// From the first poll on these signals no longer end the process by themselves.
pub async fn signalled() -> std::io::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
        _ = hang_up.recv() => "SIGHUP",
    })
}

/// Starts something, and stops it when the process is told to stop; a signal before it has started ends the start.
pub async fn until_signalled<T, E, S>(
    start: impl Future<Output = Result<T, E>>,
    stop: impl FnOnce(T) -> S,
) -> anyhow::Result<()>
where
    E: Into<anyhow::Error>,
    S: Future<Output = ()>,
{
    let signal = signalled();
    tokio::pin!(signal);
    let running = tokio::select! {
        started = start => started.map_err(Into::into)?,
        signal = &mut signal => {
            tracing::info!("stopping at {} before all was started", signal?);
            return Ok(());
        }
    };
    let signal = signal.await?;
    tracing::info!("stopping at {signal}");
    stop(running).await;
    Ok(())
}
