//! What two hosts tell each other when a guest moves, and how QEMU is told to move it.
//!
//! Owns: the cookie ([`Cookie`]) and the parameters of QEMU's migration ([`Parameters`]), both in the
//! reference's forms. Never: moves a guest.

mod cookie;
mod parameters;
mod statistics;

pub use cookie::{
    Bitmap, Cookie, CookieFeature, CookieGraphics, CookieNbd, DiskBitmaps, LockState, PortData, Side,
};
pub use parameters::{Parameter, Parameters, Value};
pub use statistics::Statistics;
