use super::rig::{Rig, pass};

fn lua(batch: usize, object: &str) -> String {
    format!(
        "kumo.on('get_queue_config', function()
  return kumo.make_queue_config {{
    retry_interval = '1h',
    protocol = {{ custom_lua = {{ constructor = 'make.it', batch_size = {batch}, max_batch_latency = '1s', min_batch_size = {batch} }} }},
  }}
end)
kumo.on('make.it', function(domain, tenant, campaign)
  {object}
end)
"
    )
}

#[tokio::test(start_paused = true)]
async fn a_lua_object_takes_messages() {
    let object = "local connection = { sent = 0 }
  function connection:send(msg)
    self.sent = self.sent + 1
    local who = msg:recipient().user
    if who == 'later' then kumo.reject(451, '4.2.2 mailbox full') end
    if who == 'never' then kumo.reject(550, '5.1.1 no such user') end
    if who == 'nothing' then return end
    return domain .. ' took ' .. who .. ' as number ' .. self.sent
  end
  function connection:close() end
  return connection";
    let rig = Rig::new(&lua(1, object)).await;
    for who in ["a", "later", "never", "b"] {
        rig.send(1, &format!("{who}@example.com")).await;
        pass(1.0).await;
    }
    rig.send(1, "nothing@example.com").await;
    pass(5.0).await;
    let told = rig.told().await;
    assert_eq!(
        told[..4],
        [
            "Delivery 200 example.com took a as number 1",
            "TransientFailure 451 mailbox full",
            "Bounce 550 no such user",
            "Delivery 200 example.com took b as number 4"
        ]
    );
    assert!(told[4].starts_with("TransientFailure 400 KumoMTA internal: error in deliver_message: "), "{}", told[4]);
    assert_eq!(told.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_lua_object_answers_for_each_message_of_a_batch() {
    let object = "return {
    send_batch = function(self, messages)
      local answers = {}
      for i, msg in ipairs(messages) do
        local who = msg:recipient().user
        answers[i] = who == 'bad' and { code = 552, message = '5.2.3 too large' } or 'took ' .. who
      end
      return answers
    end,
  }";
    let rig = Rig::new(&lua(3, object)).await;
    for who in ["a", "bad", "b"] {
        rig.send(1, &format!("{who}@example.com")).await;
    }
    pass(5.0).await;
    let mut told = rig.told().await;
    told.sort_unstable();
    assert_eq!(told, ["Bounce 552 too large", "Delivery 200 took a", "Delivery 200 took b"]);
}

#[tokio::test(start_paused = true)]
async fn a_constructor_that_fails_is_a_failed_connection() {
    let rig = Rig::new(&lua(1, "error('no tunnel')")).await;
    rig.send(1, "a@example.com").await;
    pass(5.0).await;
    let told = rig.told().await;
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("TransientFailure 400 KumoMTA internal: failed to connect: "), "{}", told[0]);
}

#[tokio::test(start_paused = true)]
async fn a_maildir_takes_messages() {
    let policy = "kumo.on('get_queue_config', function()
  return kumo.make_queue_config { protocol = { maildir_path = '/var/spool/kumomta/mail/{{ domain_part }}/{{ local_part }}' } }
end)
";
    let mut rig = Rig::new(policy).await;
    rig.accept(rig.message(&["a@example.com", "b@example.com"])).await;
    pass(5.0).await;
    let records = rig.stop().await;
    assert_eq!(records.len(), 2);
    let content = records[0]["response"]["content"].as_str().unwrap();
    assert!(content.starts_with("a@example.com: wrote to maildir with id="), "{content}");
    assert_eq!((&records[0]["site"], &records[0]["delivery_protocol"]), (&"".into(), &"Maildir".into()));
    for user in ["a", "b"] {
        let new = rig.folder(&format!("/var/spool/kumomta/mail/example.com/{user}/new"));
        let files: Vec<_> = std::fs::read_dir(new).unwrap().collect();
        assert_eq!(files.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_there_after_a_restart() {
    let policy = "kumo.on('get_queue_config', function()
  return kumo.make_queue_config { protocol = { maildir_path = '/var/spool/kumomta/mail' } }
end)
";
    let mut rig = Rig::new(policy).await;
    let message = rig.message(&["a@example.com"]);
    message.set_due(Some(rig.host().clock().now().after(std::time::Duration::from_secs(3))));
    rig.accept(message).await;
    let waiting = rig.queues().scheduled("example.com", 10).unwrap();
    assert_eq!((waiting.num_scheduled, waiting.messages.len()), (1, 1));
    let records = rig.stop().await;
    assert_eq!(records[0]["type"], "Delayed");
    let file = rig.folder("/opt/kumomta/etc/policy/init.lua");
    // Another process: a host of its own in the same folder.
    let clock = rig.host().clock().clone();
    let host = kumo_tsa::host::Host::new(clock, kumo_tsa::host::Paths::with_prefix(rig.prefix()));
    let mail = kumo_tsa::mail::service::MailHost::start(&host, &file).await.unwrap();
    pass(10.0).await;
    mail.stop().await;
    let new = rig.folder("/var/spool/kumomta/mail/new");
    assert_eq!(std::fs::read_dir(new).unwrap().count(), 1);
}
