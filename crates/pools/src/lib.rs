//! Networks, storage, secrets, filters, node devices, interfaces: models and plans.
//!
//! Owns: their documents and what has to be done for them, as data. Never: does it.
