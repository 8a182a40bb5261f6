//! What daemons have decided and told this host: entries by owner and key, kept on disk until their end (semantics P5 to P7).
