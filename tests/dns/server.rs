//! Asking a name server over UDP.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{MX, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use kumo_tsa::dns::{Error, Resolver, Source, Strategy};
use tokio::net::UdpSocket;

/// Answers for a few names of `example.com`; returns where.
async fn serve() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((len, peer)) = socket.recv_from(&mut buffer).await {
            if let Some(reply) = answer(&Message::from_vec(&buffer[..len]).unwrap()) {
                socket.send_to(&reply.to_vec().unwrap(), peer).await.unwrap();
            }
        }
    });
    address.to_string()
}

fn answer(asked: &Message) -> Option<Message> {
    let query = asked.queries[0].clone();
    let mut reply = Message::response(asked.metadata.id, asked.metadata.op_code);
    reply.add_query(query.clone());
    let name = query.name().to_ascii().to_lowercase();
    let host = |text: &str| Name::from_ascii(text).unwrap();
    let mut add = |data| {
        reply.add_answer(Record::from_rdata(query.name().clone(), 60, data));
    };
    match (name.as_str(), query.query_type()) {
        ("example.com.", RecordType::MX) => {
            add(RData::MX(MX::new(20, host("B.example.com."))));
            add(RData::MX(MX::new(10, host("a.example.com."))));
        }
        ("example.com.", RecordType::TXT) => add(RData::TXT(TXT::new(vec!["x".into(), "y".into()]))),
        ("a.example.com.", RecordType::A) => add(RData::A("192.0.2.1".parse().unwrap())),
        ("a.example.com.", _) => {}
        ("broken.example.com.", _) => reply.metadata.response_code = ResponseCode::ServFail,
        ("silent.example.com.", _) => return None,
        _ => reply.metadata.response_code = ResponseCode::NXDomain,
    }
    Some(reply)
}

async fn resolver() -> Resolver {
    let host = super::host();
    Resolver::new(&host, Source::Configured(Box::new(super::servers(&serve().await)))).unwrap()
}

#[tokio::test]
async fn its_answers_count() {
    let resolver = resolver().await;
    let mx = resolver.mx("example.com").await.unwrap();
    assert_eq!(mx.hosts, ["a.example.com.", "b.example.com."]);
    assert_eq!(mx.site_name, "(a|b).example.com");
    assert_eq!(resolver.txt("example.com").await.unwrap(), ["xy"]);
    let addresses = resolver.addr("a.example.com", Strategy::Ipv4AndIpv6).await.unwrap();
    assert_eq!(addresses, ["192.0.2.1".parse::<std::net::IpAddr>().unwrap()]);
    // The name is there, without an exchanger.
    assert_eq!(resolver.mx("a.example.com").await.unwrap().hosts, ["a.example.com."]);
}

#[tokio::test]
async fn its_refusals_are_told_apart() {
    let resolver = resolver().await;
    assert!(matches!(resolver.mx("gone.example.com").await, Err(Error::NxDomain { .. })));
    let broken = resolver.mx("broken.example.com").await.unwrap_err();
    assert!(matches!(broken, Error::Failed { .. }) && broken.to_string().contains("SERVFAIL"), "{broken}");
    let silent = resolver.mx("silent.example.com").await.unwrap_err();
    assert!(!silent.is_definite(), "{silent}");
}
