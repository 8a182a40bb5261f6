//! Delivering over SMTP: one session to one host (RFC 5321).
