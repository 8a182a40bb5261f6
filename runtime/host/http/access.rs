//! Who may ask what (interface C.1).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::MethodRouter;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{Answer, Peer, plain};

/// How long the answer to a set of credentials is remembered.
const REMEMBERED: Duration = Duration::from_mins(1);
/// How many answers are remembered at most.
const REMEMBERED_AT_MOST: usize = 4096;

/// Credentials that came with a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Offered {
    /// `Authorization: Basic`
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// `Authorization: Bearer`
    Bearer {
        /// The token.
        token: String,
    },
}

/// Tells whether credentials are good.
pub trait Credentials: Send + Sync {
    /// `Ok(false)` refuses them; an error says that it could not be told, and why.
    fn check<'a>(&'a self, offered: &'a Offered) -> BoxFuture<'a, Result<bool, String>>;

    /// Is told what was decided of requests that need more than nothing. Forgets it, unless said otherwise.
    fn note(&self, _decision: Decision) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Whether [`note`](Self::note) does anything.
    fn takes_note(&self) -> bool {
        false
    }
}

/// What was decided of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Whether credentials are good.
    Authentication {
        /// Whose they are said to be.
        who: String,
        /// Where the request came from.
        ip: IpAddr,
        /// Whether they are.
        good: bool,
    },
    /// Whether a request is permitted.
    Authorization {
        /// Whose credentials came with it.
        who: Option<String>,
        /// Where it came from.
        ip: IpAddr,
        /// Whether that is one of the listener's trusted hosts.
        trusted: bool,
        /// What it wanted to do.
        method: String,
        /// To what: `http_listener/ADDRESS/PATH`.
        resource: String,
        /// Whether it may.
        permitted: bool,
    },
}

/// What a resource asks of its callers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// To come from a trusted host or to have good credentials.
    Known,
    /// To come from a trusted host.
    Trusted,
}

/// Who sent a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The address it came from, IPv4 in its own form.
    pub ip: IpAddr,
    /// Whether that is one of the listener's trusted hosts.
    pub trusted: bool,
    /// Whose credentials came with it.
    pub identity: Option<String>,
}

/// Decides who may ask what, and remembers for a minute which credentials were good.
pub struct Access {
    credentials: Box<dyn Credentials>,
    remembered: Mutex<HashMap<[u8; 32], (Instant, bool)>>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access")
    }
}

impl Access {
    /// Access for trusted hosts and those whose credentials are good.
    pub fn new(credentials: impl Credentials + 'static) -> Self {
        Self { credentials: Box::new(credentials), remembered: Mutex::default() }
    }

    /// Lets a request pass, or tells what to answer in its place.
    pub async fn admit(
        &self,
        peer: &Peer,
        need: Need,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Caller, Answer> {
        let ip = peer.address.ip().to_canonical();
        let trusted = peer.listener.trusted_hosts.iter().any(|net| net.contains(&ip));
        let mut caller = Caller { ip, trusted, identity: None };
        if need == Need::Nothing {
            return Ok(caller);
        }
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            caller.identity = Some(self.identify(ip, value).await?);
        }
        let permitted = match need {
            Need::Nothing => true,
            Need::Known => trusted || caller.identity.is_some(),
            Need::Trusted => trusted,
        };
        let resource = || format!("http_listener/{}/{}", peer.listener.address, path.trim_start_matches('/'));
        if self.credentials.takes_note() {
            let (who, method) = (caller.identity.clone(), method.to_string());
            let decision = Decision::Authorization { who, ip, trusted, method, resource: resource(), permitted };
            self.credentials.note(decision).await;
        }
        if permitted {
            return Ok(caller);
        }
        let who = caller.identity.as_deref().unwrap_or("<Unauthenticated>@");
        Err(unauthorized(format!("{who} ip={ip} not permitted {method} on {}", resource())))
    }

    async fn identify(&self, ip: IpAddr, value: &HeaderValue) -> Result<String, Answer> {
        let offered = parse_authorization(value).map_err(|why| plain(StatusCode::BAD_REQUEST, why))?;
        let key: [u8; 32] = Sha256::digest(value.as_bytes()).into();
        let good = if let Some(good) = self.recall(&key) {
            good
        } else {
            let good = self.credentials.check(&offered).await.map_err(|why| {
                tracing::error!("cannot check the credentials of a request: {why}");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "try again later")
            })?;
            self.remember(key, good);
            good
        };
        if self.credentials.takes_note() {
            let who = match &offered {
                Offered::Basic { user, .. } => user.clone(),
                Offered::Bearer { .. } => "<bearer>".to_owned(),
            };
            self.credentials.note(Decision::Authentication { who, ip, good }).await;
        }
        match (good, offered) {
            (true, Offered::Basic { user, .. }) => Ok(user),
            (true, Offered::Bearer { .. }) => Ok("<bearer>".to_owned()),
            (false, Offered::Basic { user, .. }) => {
                Err(unauthorized(format!("HttpBasicAuth Authentication Failed for {user}")))
            }
            (false, Offered::Bearer { .. }) => Err(unauthorized("HttpBearerAuth Authentication Failed".to_owned())),
        }
    }

    fn recall(&self, key: &[u8; 32]) -> Option<bool> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(key).filter(|(since, _)| since.elapsed() < REMEMBERED).map(|(_, good)| *good)
    }

    fn remember(&self, key: [u8; 32], good: bool) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_AT_MOST {
            remembered.retain(|_, (since, _)| since.elapsed() < REMEMBERED);
        }
        if remembered.len() < REMEMBERED_AT_MOST {
            remembered.insert(key, (Instant::now(), good));
        }
    }

    /// Lets only those requests through to `routes` that meet `need`; methods that it does not have stay 405.
    pub fn guard<S>(self: &Arc<Self>, need: Need, routes: MethodRouter<S>) -> MethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let access = self.clone();
        routes.route_layer(middleware::from_fn(move |mut request: Request, next: Next| {
            let access = access.clone();
            async move {
                let Some(peer) = request.extensions().get::<Peer>().cloned() else {
                    return plain(StatusCode::INTERNAL_SERVER_ERROR, "Error: a request without a peer").into_response();
                };
                let (method, path) = (request.method().clone(), request.uri().path().to_owned());
                match access.admit(&peer, need, &method, &path, request.headers()).await {
                    Ok(caller) => {
                        request.extensions_mut().insert(caller);
                        next.run(request).await
                    }
                    Err(answer) => answer,
                }
            }
        }))
    }
}

fn unauthorized(text: String) -> Answer {
    let mut answer = plain(StatusCode::UNAUTHORIZED, text);
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"kumo\""));
    answer
}

fn parse_authorization(value: &HeaderValue) -> Result<Offered, &'static str> {
    let text = value.to_str().map_err(|_| "malformed Authorization header: it is not plain text")?;
    let (scheme, rest) = text.split_once(' ').ok_or("malformed Authorization header: expected a scheme and a value")?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
        return Ok(Offered::Bearer { token: rest.to_owned() });
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err("malformed Authorization header: expected Basic or Bearer");
    }
    let decoded = data_encoding::BASE64.decode(rest.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((user, password)) => Ok(Offered::Basic { user: user.to_owned(), password: password.to_owned() }),
        None => Err("malformed Authorization header: expected `user:password` in base64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Only(Arc<AtomicUsize>);

    impl Credentials for Only {
        fn check<'a>(&'a self, offered: &'a Offered) -> BoxFuture<'a, Result<bool, String>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                match offered {
                    Offered::Basic { user, .. } if user == "broken" => Err("handler failed".to_owned()),
                    Offered::Basic { user, password } => Ok(user == "me" && password == "pw"),
                    Offered::Bearer { token } => Ok(token == "t"),
                }
            })
        }
    }

    fn peer(ip: &str) -> Peer {
        let listener = super::super::Listener {
            address: "127.0.0.1:8008".parse().unwrap(),
            body_limit_bytes: 0,
            trusted_hosts: vec!["10.0.0.0/8".parse().unwrap()],
        };
        Peer { address: std::net::SocketAddr::new(ip.parse().unwrap(), 1), listener: Arc::new(listener) }
    }

    async fn ask(access: &Access, ip: &str, need: Need, authorization: Option<&str>) -> Result<Caller, (u16, String)> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        match access.admit(&peer(ip), need, &Method::GET, "/x/y", &headers).await {
            Ok(caller) => Ok(caller),
            Err(answer) => {
                let code = answer.status().as_u16();
                let text = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
                Err((code, String::from_utf8(text.to_vec()).unwrap()))
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_let_through() {
        let calls = Arc::new(AtomicUsize::new(0));
        let access = Access::new(Only(calls.clone()));
        let me = format!("Basic {}", data_encoding::BASE64.encode(b"me:pw"));
        let wrong = format!("basic {}", data_encoding::BASE64.encode(b"me:no"));
        let broken = format!("Basic {}", data_encoding::BASE64.encode(b"broken:"));
        assert!(ask(&access, "10.1.2.3", Need::Trusted, None).await.unwrap().trusted);
        assert!(ask(&access, "::ffff:10.1.2.3", Need::Trusted, None).await.unwrap().trusted);
        assert!(ask(&access, "192.0.2.1", Need::Nothing, Some("nonsense")).await.is_ok());
        let denied =
            |who: &str| (401, format!("{who} ip=192.0.2.1 not permitted GET on http_listener/127.0.0.1:8008/x/y"));
        assert_eq!(ask(&access, "192.0.2.1", Need::Known, None).await, Err(denied("<Unauthenticated>@")));
        assert_eq!(ask(&access, "192.0.2.1", Need::Trusted, Some(&me)).await, Err(denied("me")));
        assert_eq!(ask(&access, "192.0.2.1", Need::Known, Some(&me)).await.unwrap().identity.as_deref(), Some("me"));
        assert_eq!(calls.load(Ordering::Relaxed), 1, "remembered");
        tokio::time::advance(Duration::from_secs(61)).await;
        ask(&access, "192.0.2.1", Need::Known, Some(&me)).await.unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), 2, "for a minute");
        assert!(ask(&access, "192.0.2.1", Need::Known, Some("Bearer t")).await.is_ok());
        for (value, code, text) in [
            (wrong.as_str(), 401, "HttpBasicAuth Authentication Failed for me"),
            ("Bearer no", 401, "HttpBearerAuth Authentication Failed"),
            (broken.as_str(), 500, "try again later"),
            ("Basic !!!", 400, "malformed Authorization header: expected `user:password` in base64"),
            ("Digest x", 400, "malformed Authorization header: expected Basic or Bearer"),
        ] {
            assert_eq!(ask(&access, "10.0.0.1", Need::Known, Some(value)).await, Err((code, text.to_owned())));
        }
    }
}
