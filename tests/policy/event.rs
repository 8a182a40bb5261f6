//! Loading a policy and asking it for events.

use crate::support::{Bench, call};

#[tokio::test(start_paused = true)]
async fn an_error_names_event_and_place_and_shows_the_call_stack() {
    let bench = Bench::new();
    let policy = bench
        .load("\nlocal function inner() error 'boom' end\nkumo.on('tsa_init', function() kumo.sleep(1) inner() end)")
        .await;
    let error = call::<()>(&policy, "tsa_init", ()).await.unwrap_err();
    assert_eq!(
        bench.text(&error),
        "event `tsa_init`: [dir]/policy.lua:2: boom\nstack traceback:\n\t[C]: in function 'error'\n\
         \t[dir]/policy.lua:2: in upvalue 'inner'\n\
         \t[dir]/policy.lua:3: in function <[dir]/policy.lua:3>"
    );
}
