//! Loading shaping files: from disk, over HTTP, with the mail exchangers of the domains in them.
//!
//! What the files mean is [`kumo_tsa_core::shaping`]'s business; this is the shell around it that does I/O.

mod fetch;
mod handle;
mod kept;
mod load;
mod lua;
mod reuse;
mod rollup;

pub use handle::Handle;
pub use load::{BadSource, Error, load};
pub use lua::{LuaShaping, install};
