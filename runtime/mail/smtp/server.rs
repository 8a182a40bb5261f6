//! Taking messages in over SMTP (RFC 5321).
