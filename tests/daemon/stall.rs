//! Publishers that stop in the middle.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::rig::{RULES, Rig};

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_coming_is_given_up_after_a_minute() {
    let rig = Rig::controlled(RULES).start().await;
    for path in ["/publish_log_v1", "/api/admin/set_diagnostic_log_filter/v1"] {
        let mut socket = TcpStream::connect(rig.address()).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: tsa\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let began = tokio::time::Instant::now();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{path}: {answer}");
        assert!(answer.ends_with("it stopped coming"), "{path}: {answer}");
        assert!(began.elapsed() >= Duration::from_mins(1), "{path}");
        assert_eq!(rig.get("/tsa/status").await.0, 200, "others are served");
    }
}
