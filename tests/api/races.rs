//! Callers who are released together (rig T2): real programs, one and then two on one database, and each time exactly one winner: by
//! the answers, in the database and in the mailbox (bar F11, F13, F14, F25, F29, O18, X06, X08).

mod arena;
mod clients;
mod passwords;
mod together;
mod users;
