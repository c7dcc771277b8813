//! Unforget: self-hosted password recovery for third-party apps. This file is the map of the house.

#![forbid(unsafe_code)]

pub mod app; // what handlers get
pub mod breaches; // the list of passwords that others have lost
pub mod cli; // the commands: print, never decide
pub mod clock; // the only caller of Utc::now
pub mod config; // the settings, validated as a whole
pub mod descriptors; // how many files the system lets us open
pub mod doctor; // looks whether all that the service needs is there
pub mod domain; // pure values and rules
pub mod entropy; // the only maker of random bytes and ids
pub mod flows; // the things that the service does
pub mod hasher; // the one gate before bcrypt
pub mod http; // the URL table; with server.rs the only place that knows actix
pub mod mail; // sends, over SMTP or into a folder
pub mod oauth; // the only folder that names oxide-auth
pub mod server; // builds, starts and stops the service
pub mod storage; // the database, behind two gates
pub mod telemetry; // logs, metrics, and spans for a collector
pub mod texts; // what we say to people, by language
pub mod worker; // the loops beside the server
