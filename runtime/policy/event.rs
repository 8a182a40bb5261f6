//! Events: the names under which a policy registers handlers, with the types that go in and come out.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// An event with arguments `A` and result `R`.
///
/// Events that the host knows are constants: `const TSA_INIT: Event<(), ()> = Event::single("tsa_init")`.
pub struct Event<A, R> {
    name: Cow<'static, str>,
    types: PhantomData<fn(A) -> R>,
}

impl<A, R> Event<A, R> {
    /// An event that one handler answers; registering a second one raises.
    pub const fn single(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), types: PhantomData }
    }

    /// An event that several handlers may answer: they are asked in the order of registration, until one returns
    /// something. Its name must also be among those given to [`declare_multiple`](super::declare_multiple), so that
    /// `kumo.on` accepts more than one handler.
    pub const fn multiple(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), types: PhantomData }
    }

    /// An event whose name a policy chose: a spawned task, a key source, a filter.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Cow::Owned(name.into()), types: PhantomData }
    }

    /// The name that `kumo.on` takes.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<A, R> Clone for Event<A, R> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), types: PhantomData }
    }
}

impl<A, R> fmt::Debug for Event<A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Event").field(&self.name).finish()
    }
}
