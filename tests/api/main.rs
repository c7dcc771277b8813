//! The service as its callers see it: the real server over HTTP, on SQLite and on PostgreSQL, with a real SMTP session.

mod address;
mod bearer;
mod check;
mod cli;
mod config;
mod delivery;
mod helpers;
mod http;
mod journey;
mod limits;
mod mail;
mod operation;
mod password;
mod postgres;
mod remind;
mod reset;
mod smtp;
mod storage;
mod timing;
mod token;
