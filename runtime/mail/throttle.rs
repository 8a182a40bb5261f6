//! Rates and leases, by key (interface C.11).
