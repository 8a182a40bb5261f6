//! Suspensions and bounces: what holds mail back, and what sends it back (interface C.13).
