//! Listeners of any protocol: bound where a policy says so, kept until there is a service, served until the host shuts down.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Host;

/// How many connections may wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4096;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The text is no address.
    #[error("cannot listen on `{address}`: expected an address and a port, such as `127.0.0.1:8008` or `[::]:25`")]
    Address {
        /// What was given.
        address: String,
    },
    /// The system refuses.
    #[error("cannot listen on `{address}`: {why}")]
    Bind {
        /// What was given.
        address: String,
        /// Why. It is part of the text, which is all that a `pcall` in Lua shows.
        why: io::Error,
    },
    /// The certificate or its key is of no use.
    #[error("cannot listen with TLS on `{address}`: {why}")]
    Tls {
        /// What was given.
        address: String,
        /// Why.
        why: String,
    },
}

/// Binds `ip:port`, where port 0 takes a free one, or the first address of `name:port` that can be bound. Tells the address
/// really bound.
pub(crate) fn bind(listen: &str) -> Result<(TcpListener, SocketAddr), BindError> {
    let address = || listen.to_owned();
    let addresses: Vec<SocketAddr> = match listen.parse() {
        Ok(address) => vec![address],
        // `localhost:8008` is not documented, and works all the same.
        Err(_) => match listen.to_socket_addrs() {
            Ok(found) => found.collect(),
            Err(_) => return Err(BindError::Address { address: address() }),
        },
    };
    let mut why = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for one in addresses {
        match socket(one).and_then(|socket| Ok((socket.local_addr()?, socket))) {
            Ok((local, socket)) => return Ok((socket, local)),
            Err(cause) => why = cause,
        }
    }
    Err(BindError::Bind { address: address(), why })
}

fn socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A bound listener; connections wait in the system's backlog until it is served.
pub trait Listening: Send + 'static {
    /// The address really bound.
    fn address(&self) -> SocketAddr;
}

/// The listeners of a kind that the policy of a host has started.
#[derive(Debug)]
pub struct Listeners<B> {
    started: mpsc::UnboundedSender<B>,
    waiting: Mutex<Option<mpsc::UnboundedReceiver<B>>>,
}

impl<B: Listening> Listeners<B> {
    /// The host's.
    pub fn of(host: &Host) -> Arc<Self> {
        host.slot(|| {
            let (started, waiting) = mpsc::unbounded_channel();
            Self { started, waiting: Mutex::new(Some(waiting)) }
        })
    }

    /// One more. Without a service to serve it, as when a policy is only evaluated, it is closed again.
    pub fn add(&self, bound: B) {
        let _ = self.started.send(bound);
    }

    /// Those started so far, and those to come; there is one taker.
    pub fn take(&self) -> Option<mpsc::UnboundedReceiver<B>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What serves the listeners of a service.
#[derive(Debug)]
pub struct Serving {
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
    tasks: JoinSet<()>,
}

impl Serving {
    /// Serves the listeners that a policy has started already, and those that it will, until the host shuts down: `serve`
    /// ends then by itself, when what is in hand is finished. `None` when somebody serves them already.
    pub fn start<B, F>(host: &Host, serve: impl Fn(B) -> F + Send + 'static) -> Option<Self>
    where
        B: Listening,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut bound = Listeners::<B>::of(host).take()?;
        let addresses = Arc::<Mutex<Vec<SocketAddr>>>::default();
        let note = {
            let addresses = addresses.clone();
            move |one: &B| addresses.lock().unwrap_or_else(PoisonError::into_inner).push(one.address())
        };
        let mut tasks = JoinSet::new();
        while let Ok(one) = bound.try_recv() {
            note(&one);
            tasks.spawn(serve(one));
        }
        let host = host.clone();
        tasks.spawn(async move {
            let mut later = JoinSet::new();
            loop {
                tokio::select! {
                    () = host.shutdown().requested() => break,
                    Some(one) = bound.recv() => {
                        note(&one);
                        later.spawn(serve(one));
                    }
                }
            }
            while later.join_next().await.is_some() {}
        });
        Some(Self { addresses, tasks })
    }

    /// The addresses that are listened on, in the order in which the policy started them.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns when the host has shut down and what was in hand is finished.
    pub async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
