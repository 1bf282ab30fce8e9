//! How many elements or bytes the variable parts of this program may have.
//!
//! Owns: these numbers. Never: anything else.

/// The most in one `server list`.
pub const SERVER_LIST_MAX: usize = 16_384;
/// The most in one `server threadpool parameters`.
pub const SERVER_THREADPOOL_PARAMETERS_MAX: usize = 32;
/// The most in one `client list`.
pub const CLIENT_LIST_MAX: usize = 16_384;
/// The most in one `client info parameters`.
pub const CLIENT_INFO_PARAMETERS_MAX: usize = 64;
/// The most in one `server client limits`.
pub const SERVER_CLIENT_LIMITS_MAX: usize = 32;
