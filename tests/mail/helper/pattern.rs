//! The calls that a shaping helper written for an existing kumod makes of its host (interface A.14), on ours.

use kumo_tsa::mail::hold::Holds;

use super::rig::{Notes, bench, real};
use crate::daemon::rig::{RULES, Rig, SITE, record};
use crate::support::call;

/// Such a helper in small: all of its state is rebuilt in each context, and what it shares is memoized.
const HELPER: &str = r"
local hook = URL .. '.tsa.kumomta'
local load = kumo.memoize(kumo.shaping.load, {
  name = 'shaping_data', ttl = '1 minute', capacity = 4,
  retry_on_populate_timeout = nil, populate_timeout = nil, allow_stale_reads = false,
})
local files = { '/opt/kumomta/etc/policy/shaping.toml', URL .. '/get_config_v1/shaping.toml' }
local function shaping() return load(files) end

kumo.on('get_egress_path_config', function(domain, source, site)
  local params = shaping():get_egress_path_config(domain, source, site)
  params.refresh_strategy = params.refresh_strategy or 'Epoch'
  return kumo.make_egress_path(params)
end)

kumo.on('get_queue_config', function(domain, tenant, campaign, routing_domain)
  if domain == hook then
    return kumo.make_queue_config { protocol = { custom_lua = { constructor = 'make.' .. hook } }, retry_interval = '1m' }
  end
end)

kumo.on('should_enqueue_log_record', function(msg, name)
  if name ~= hook then return end
  local record = msg:get_meta 'log_record'
  if #shaping():match_rules(record) == 0 then return false end
  msg:set_meta('queue', name)
  return true
end)

kumo.on('make.' .. hook, function(domain, tenant, campaign)
  local connection = {}
  local client = kumo.http.build_client { timeout = '1 minute', pool_idle_timeout = '90 seconds', connection_verbose = nil }
  function connection:send(message)
    local response = client:post(URL .. '/publish_log_v1'):header('Content-Type', 'application/json')
      :body(message:get_data()):send()
    local answer = response:status_code() .. ' ' .. tostring(response:status_reason()) .. ' ' .. response:text()
    if response:status_is_success() then return answer end
    kumo.reject(500, answer)
  end
  function connection:close() client:close() end
  return connection
end)

kumo.on('kumo.tsa.config.monitor', function(args)
  local hash = ''
  while true do
    local now = shaping():hash()
    if now ~= hash then hash = now kumo.bump_config_epoch() end
    kumo.sleep(30)
  end
end)

kumo.on('kumo.tsa.suspension.subscriber', function(args)
  while true do
    local ok, err = pcall(function()
      local stream, response = kumo.http.connect_websocket((args[1]:gsub('^http', 'ws')) .. '/subscribe_event_v1')
      while true do
        for _, text in ipairs(stream:recv_batch '3 seconds') do
          local event = kumo.json_parse(text)
          if event.ReadyQSuspension then
            local one = event.ReadyQSuspension
            kumo.api.admin.suspend_ready_q.suspend { name = one.site_name, reason = one.reason, expires = one.expires }
          elseif event.SchedQSuspension then
            local one = event.SchedQSuspension
            kumo.api.admin.suspend.suspend { campaign = one.campaign, tenant = one.tenant, domain = one.domain,
              reason = one.reason, expires = one.expires }
          elseif event.SchedQBounce then
            local one = event.SchedQBounce
            kumo.api.admin.bounce.bounce { campaign = one.campaign, tenant = one.tenant, domain = one.domain,
              reason = one.reason, expires = one.expires }
          end
        end
      end
    end)
    kumo.log_error(tostring(err))
    kumo.sleep(30)
  end
end)

kumo.on('validate_config', function()
  for _, problem in ipairs(shaping():get_errors()) do print(problem) kumo.validation_failed() end
  for _, problem in ipairs(shaping():get_warnings()) do print(problem) end
  for source, places in pairs(shaping():get_referenced_sources()) do print(source, table.concat(places, ',')) end
end)

kumo.on('init', function()
  kumo.configure_log_hook { name = hook, back_pressure = nil, per_record = { Reception = { enable = false } } }
  kumo.spawn_task { event_name = 'kumo.tsa.suspension.subscriber', args = { URL } }
  kumo.spawn_task { event_name = 'kumo.tsa.config.monitor', args = {} }
end)

-- What the host does with these handlers.
kumo.on('ship', function(text)
  local meta = { log_record = kumo.json_parse(text) }
  local msg = {
    get_meta = function(_, key) return meta[key] end,
    set_meta = function(_, key, value) meta[key] = value end,
    get_data = function() return text end,
  }
  return HANDLERS.should_enqueue_log_record(msg, hook)
    and meta.queue == hook and HANDLERS['make.' .. hook](hook):send(msg)
end)
";

#[tokio::test]
async fn an_existing_helper_runs_on_our_host() {
    let rig = Rig::new(RULES).start().await;
    let bench = bench(real);
    bench.write("/opt/kumomta/etc/policy/shaping.toml", RULES);
    let policy = bench
        .load(&format!(
            "URL = '{}'
             HANDLERS = {{}}
             local on = kumo.on
             function kumo.on(event, handler) HANDLERS[event] = handler on(event, handler) end
             {HELPER}",
            rig.url("")
        ))
        .await;
    call::<()>(&policy, "validate_config", ()).await.unwrap();
    call::<()>(&policy, "init", ()).await.unwrap();
    let notes = Notes::of(&bench.host);
    assert_eq!(notes.calls("kumo.configure_log_hook").len(), 1);
    let shipped = call::<String>(&policy, "ship", record(1, "hold it").to_string()).await.unwrap().unwrap();
    assert_eq!(shipped, "200 OK ");
    let shipped = call::<bool>(&policy, "ship", record(2, "fine").to_string()).await.unwrap().unwrap();
    assert!(!shipped);
    let held = || Holds::of(&bench.host).path(SITE, bench.host.clock().now()).is_some();
    notes.until("the suspension", |_| held()).await;
    notes.until("the monitor", |_| bench.host.epoch().current() == 1).await;
    // The overlay and the epoch.
    let shipped = call::<String>(&policy, "ship", record(3, "slow down").to_string()).await.unwrap().unwrap();
    assert_eq!(shipped, "200 OK ");
}
