//! How soon each action is in force, from the provider's answer to the first message that obeys it.

use tokio::time::Instant;

use super::rig::{SOON, Stage, pass, until};

/// Enough for a slow machine to send what it should not.
const LATER: f64 = 1.5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a1_a_path_is_suspended_within_half_a_second_and_opens_when_the_effect_is_ended() {
    let stage = Stage::of_the_guide().await;
    let _flows = [stage.mail.flow("", "a@one.example.com"), stage.mail.flow("", "b@two.example.com")];
    until("mail on both paths", || {
        !stage.mails("a@one.example.com").is_empty() && !stage.mails("b@two.example.com").is_empty()
    })
    .await;
    let answered = stage.provoke("", "451.hold.it@one.example.com").await;
    pass(LATER).await;
    assert_eq!(stage.late("one.example.com", answered), 0);
    assert!(stage.late("b@two.example.com", answered) > 10, "the other path flows on");
    let ended = Instant::now();
    stage.end_all().await;
    until("mail after the end", || stage.mails("a@one.example.com").iter().any(|at| *at > ended)).await;
    let first = stage.mails("a@one.example.com").into_iter().find(|at| *at > ended).unwrap();
    assert!(first - ended < SOON, "{:?}", first - ended);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a2_a_tenant_is_suspended_within_half_a_second() {
    let stage = Stage::new("").await;
    let (acme, other) = ("X-Tenant: acme\r\n", "X-Tenant: other\r\n");
    let _flows = [
        stage.mail.flow(acme, "acme@one.example.com"),
        stage.mail.flow(other, "other@one.example.com"),
        stage.mail.flow(acme, "acme@two.example.com"),
    ];
    until("mail", || stage.mails("acme@one.example.com").len() > 3).await;
    let answered = stage.provoke(acme, "451.hold.tenant@one.example.com").await;
    pass(LATER).await;
    assert_eq!(stage.late("acme@one.example.com", answered), 0);
    assert!(stage.late("other@one.example.com", answered) > 10);
    assert!(stage.late("acme@two.example.com", answered) > 10);
    let ended = Instant::now();
    stage.end_all().await;
    until("mail after the end", || stage.mails("acme@one.example.com").iter().any(|at| *at > ended)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a2_a_campaign_is_suspended_within_half_a_second() {
    let stage = Stage::new("").await;
    let spring = "X-Tenant: acme\r\nX-Campaign: spring\r\n";
    let _flows = [
        stage.mail.flow(spring, "spring@one.example.com"),
        stage.mail.flow("X-Tenant: acme\r\nX-Campaign: autumn\r\n", "autumn@one.example.com"),
        stage.mail.flow("X-Tenant: acme\r\n", "none@one.example.com"),
    ];
    until("mail", || stage.mails("spring@one.example.com").len() > 3).await;
    let answered = stage.provoke(spring, "451.hold.campaign@one.example.com").await;
    pass(LATER).await;
    assert_eq!(stage.late("spring@one.example.com", answered), 0);
    assert!(stage.late("autumn@one.example.com", answered) > 10);
    assert!(stage.late("none@one.example.com", answered) > 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a5_what_waits_for_a_domain_and_what_comes_is_bounced_within_half_a_second() {
    let stage = Stage::new("").await;
    for tenant in ["", "X-Tenant: acme\r\n"] {
        stage.mail.send_many(tenant, "451.come.later@one.example.com", 20).await;
    }
    stage.mail.send_many("", "451.come.later@two.example.com", 20).await;
    until("deferrals", || stage.mails("example.com").len() == 60 && stage.mail.waiting("example.com") == 60).await;
    let answered = stage.provoke("", "451.bounce.domain@one.example.com").await;
    until("the bounces", || stage.mail.waiting("one.example.com") == 0).await;
    let took = answered.elapsed();
    assert!(took < SOON, "{took:?}");
    stage.mail.send_many("", "new@one.example.com", 5).await;
    stage.mail.send_many("", "new@two.example.com", 5).await;
    until("the other domain", || stage.mails("new@two.example.com").len() == 5).await;
    pass(0.3).await;
    assert_eq!((stage.mails("new@one.example.com").len(), stage.mail.waiting("two.example.com")), (0, 20));
    stage.end_all().await;
    until("the end", || stage.mail.told().is_empty()).await;
    stage.mail.send("newer@one.example.com").await;
    until("mail after the end", || stage.mails("newer@one.example.com").len() == 1).await;
    let records = stage.mail.stop().await;
    let bounced = records.iter().filter(|record| record["type"] == "AdminBounce").count();
    assert_eq!(bounced, 20 + 20 + 1 + 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a5_a_tenant_is_bounced_within_half_a_second() {
    let stage = Stage::new("").await;
    let (acme, other) = ("X-Tenant: acme\r\n", "X-Tenant: other\r\n");
    for tenant in [acme, other] {
        stage.mail.send_many(tenant, "451.come.later@one.example.com", 20).await;
    }
    until("deferrals", || stage.mails("example.com").len() == 40 && stage.mail.waiting("example.com") == 40).await;
    let answered = stage.provoke(acme, "451.bounce.tenant@one.example.com").await;
    until("the bounces", || stage.mail.waiting("acme@one.example.com") == 0).await;
    let took = answered.elapsed();
    assert!(took < SOON, "{took:?}");
    stage.mail.send_many(acme, "acme@one.example.com", 5).await;
    stage.mail.send_many(other, "other@one.example.com", 5).await;
    until("the other tenant", || stage.mails("other@one.example.com").len() == 5).await;
    pass(0.3).await;
    assert_eq!((stage.mails("acme@one.example.com").len(), stage.mail.waiting("other@one.example.com")), (0, 20));
}
