use kumo_tsa::policy::{Error, Event, explain};
use mlua::Table;

use crate::support::Bench;

#[tokio::test]
async fn a_pinned_context_keeps_what_was_made_in_it() {
    let bench = Bench::new();
    let policy = bench
        .load(
            "kumo.on('make', function(start)
  local counter = { value = start }
  function counter:add(n)
    if n < 0 then error('only up') end
    self.value = self.value + n
    return self.value
  end
  return counter
end)",
        )
        .await;
    let make: Event<i64, Table> = Event::named("make");
    let mut pinned = policy.pin().await.unwrap();
    let counter = pinned.call(&make, 5).await.unwrap().unwrap();
    let add = async |pinned: &mut kumo_tsa::policy::Pinned, n: i64| {
        pinned.call_method::<_, i64>("make", &counter, "add", n).await
    };
    assert_eq!(add(&mut pinned, 2).await.unwrap(), 7);
    let error = add(&mut pinned, -1).await.unwrap_err();
    assert!(explain(&error).contains("only up"), "{}", explain(&error));
    assert_eq!(add(&mut pinned, 3).await.unwrap(), 10);
    let error = pinned.call_method::<_, i64>("make", &counter, "subtract", 1).await.unwrap_err();
    assert!(explain(&error).contains("no method `subtract`"), "{}", explain(&error));
    pinned.release();
    assert_eq!(policy.stats().spare, 0, "a context in which something was raised is not given back");
    let mut other = policy.pin().await.unwrap();
    other.call(&make, 1).await.unwrap().unwrap();
    other.release();
    assert_eq!(policy.stats().spare, 1);
}

#[tokio::test]
async fn limits_hold_in_a_pinned_context_and_end_it() {
    let mut bench = Bench::new();
    bench.options.without_yielding = std::time::Duration::from_millis(50);
    let policy = bench.load("kumo.on('make', function() return { spin = function() while true do end end } end)").await;
    let mut pinned = policy.pin().await.unwrap();
    let object = pinned.call(&Event::<(), Table>::named("make"), ()).await.unwrap().unwrap();
    let error = pinned.call_method::<_, ()>("make", &object, "spin", ()).await.unwrap_err();
    assert!(explain(&error).contains("without yielding"), "{}", explain(&error));
    assert!(pinned.is_spent());
    let error = pinned.call_method::<_, ()>("make", &object, "spin", ()).await.unwrap_err();
    assert!(matches!(error, Error::Spent { .. }), "{error}");
}
