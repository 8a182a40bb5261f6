//! What a policy raises to refuse: `kumo.reject` and `kumo.disconnect` (interface A.6).

/// What becomes of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closing {
    /// It stays open, unless the code is 421.
    If421,
    /// After the response a 421 is sent and the connection closed.
    FollowWith421,
    /// It is closed after the response.
    ForceDisconnect,
}

/// A refusal that a handler raised.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{code} {message}")]
pub struct Rejection {
    /// 400 to 599.
    pub code: u16,
    /// What is said after the code.
    pub message: String,
    /// What becomes of the connection.
    pub closing: Closing,
}
