//! Two mail hosts and two daemons, each publishing to and subscribing at both (semantics P6, P7).

use std::time::Duration;

use kumo_tsa::mail::automation::Automation;
use serde_json::Value;
use tokio::time::Instant;

use super::rig::{Mail, NO_DEFAULT_FILES, daemon, effects, followed, mails, pass, policy, provider, shaping, until};
use crate::daemon::rig::Rig;
use crate::support::smtp::Sink;

struct Pair {
    sink: Sink,
    daemons: Vec<Rig>,
    hosts: Vec<Mail>,
}

impl Pair {
    async fn new(length: &str) -> Self {
        let sink = Sink::start(provider).await;
        let shaping = shaping(&sink, "", length);
        let daemons = vec![daemon(&shaping, [127, 0, 0, 71]).await, daemon(&shaping, [127, 0, 0, 72]).await];
        let urls: Vec<_> = daemons.iter().map(|rig| rig.url("")).collect();
        let mut hosts = Vec::new();
        for _ in 0..2 {
            hosts.push(Mail::new(&shaping, &policy(&urls, &urls, NO_DEFAULT_FILES, "")).await);
        }
        for daemon in &daemons {
            followed(daemon, 2.0).await;
        }
        Self { sink, daemons, hosts }
    }

    /// Waits until both daemons have so many effects, the same, and both hosts know both lists.
    async fn agree(&self, count: usize) -> Vec<Value> {
        for _ in 0..2000 {
            let lists = [effects(&self.daemons[0]).await, effects(&self.daemons[1]).await];
            let told = [self.hosts[0].told(), self.hosts[1].told()];
            if lists[0] == lists[1] && lists[0].len() == count && told[0] == told[1] && told[0].len() == 2 * count {
                return lists[0].clone();
            }
            pass(0.5).await;
        }
        let lists = [effects(&self.daemons[0]).await, effects(&self.daemons[1]).await];
        panic!("no agreement: {lists:#?}\n{:#?}\n{:#?}", self.hosts[0].told(), self.hosts[1].told());
    }

    fn knows(&self, host: usize, daemon: usize) -> usize {
        let url = &self.daemons[daemon];
        let url = url.daemon.as_ref().map(|_| url.url("")).unwrap_or_default();
        Automation::of(self.hosts[host].host()).entries().iter().filter(|(owner, _)| **owner == *url).count()
    }
}

#[tokio::test(start_paused = true)]
async fn p6_two_hosts_and_two_daemons_agree() {
    let pair = Pair::new("1 hour").await;
    pair.hosts[0].send("550.hold.it@one.example.com").await;
    pair.hosts[1].send("451.slow.down@two.example.com").await;
    pair.hosts[0].send_as("X-Tenant: acme\r\n", "451.bounce.tenant@two.example.com").await;
    // Only who hears of both hosts can count to three.
    for host in [0, 1, 0] {
        pair.hosts[host].send("451.three.times@three.example.com").await;
    }
    pair.agree(4).await;
    let before = pair.sink.sessions().len();
    for host in &pair.hosts {
        host.send("a@one.example.com").await;
        host.send("a@three.example.com").await;
    }
    pass(30.0).await;
    assert_eq!(pair.sink.sessions().len(), before, "both hosts hold back what one was told");
    // What one daemon ends, the other holds.
    super::rig::end_all(&pair.daemons[0]).await;
    until("the end at one", || pair.knows(0, 0) == 0 && pair.knows(1, 0) == 0).await;
    assert_eq!((pair.knows(0, 1), pair.knows(1, 1)), (4, 4));
    pass(30.0).await;
    assert_eq!(pair.sink.sessions().len(), before);
    super::rig::end_all(&pair.daemons[1]).await;
    until("mail of both hosts", || mails(&pair.sink, "a@one.example.com").len() == 2).await;
    pair.agree(0).await;
}

#[tokio::test(start_paused = true)]
async fn p7_a_daemon_that_was_away_gets_what_it_missed_and_agrees_again() {
    let mut pair = Pair::new("4 hours").await;
    pair.hosts[0].send("550.hold.it@one.example.com").await;
    for _ in 0..2 {
        pair.hosts[0].send("451.three.times@three.example.com").await;
    }
    pair.agree(1).await;
    let mut away = pair.daemons.remove(1);
    away.daemon.take().unwrap().stop().await;
    let began = Instant::now();
    let _flow = pair.hosts[1].flow_every(5.0, "", "a@two.example.com");
    let known: Vec<_> = pair.hosts.iter().map(Mail::told).collect();
    pass(60.0).await;
    assert_eq!(known, pair.hosts.iter().map(Mail::told).collect::<Vec<_>>(), "what is known of it holds");
    // The one that is left decides alone.
    pair.hosts[1].send("451.three.times@three.example.com").await;
    until("the third", || pair.hosts.iter().all(|host| host.told().len() == 3)).await;
    // Over a restart of a mail host too.
    let told = pair.hosts[0].told();
    pair.hosts[0].restart().await;
    assert_eq!(pair.hosts[0].told(), told);
    pair.hosts[0].send("b@one.example.com").await;
    pair.hosts[0].send("b@three.example.com").await;
    pass(60.0).await;
    assert_eq!(mails(&pair.sink, "b@one.example.com").len() + mails(&pair.sink, "b@three.example.com").len(), 0);
    let away = away.restart().await;
    pair.daemons.push(away);
    let list = pair.agree(2).await;
    assert_eq!(list.len(), 2);
    assert!(began.elapsed() < Duration::from_mins(25), "{:?}", began.elapsed());
    // Mail went out all the time: one each 5 s was brought.
    let times = mails(&pair.sink, "a@two.example.com");
    let most = times.windows(2).map(|two| two[1] - two[0]).max().unwrap();
    assert!(most < Duration::from_secs(6), "{most:?} without mail");
}

#[tokio::test(start_paused = true)]
async fn p7_without_its_daemon_a_host_holds_each_effect_to_its_own_end_over_a_restart() {
    let sink = Sink::start(provider).await;
    let shaping = shaping(&sink, "", "2 hours");
    let mut rig = daemon(&shaping, [127, 0, 0, 73]).await;
    let urls = [rig.url("")];
    let mut mail = Mail::new(&shaping, &policy(&urls, &urls, NO_DEFAULT_FILES, "")).await;
    followed(&rig, 1.0).await;
    let began = Instant::now();
    mail.send("550.hold.it@one.example.com").await;
    mail.send("451.one.each@two.example.com").await;
    until("both", || mail.told().len() == 2).await;
    rig.daemon.take().unwrap().stop().await;
    mail.restart().await;
    assert_eq!(mail.told().len(), 2);
    mail.send("a@one.example.com").await;
    mail.send_many("", "a@two.example.com", 5).await;
    until("the other path", || mails(&sink, "a@two.example.com").len() == 5).await;
    let most = sink.sessions().iter().map(|session| session.mails.len()).max();
    assert_eq!(most, Some(1), "the override holds");
    pass(3600.0).await;
    mail.restart().await;
    pass(1200.0).await;
    assert_eq!(mails(&sink, "a@one.example.com").len(), 0);
    assert!(sink.within(Duration::from_hours(1), |sink| mails(sink, "a@one.example.com").len() == 1).await);
    let waited = mails(&sink, "a@one.example.com")[0] - began;
    assert!(waited >= Duration::from_hours(2) && waited < Duration::from_mins(121), "{waited:?}");
    until("its end", || mail.told().is_empty()).await;
}
