//! x
#![deny(unsafe_code)]
#![allow(dead_code)]
use pgrx::prelude::*;
mod decode;
mod document;
mod error;
mod order;
mod record;
mod source;
::pgrx::pg_module_magic!(name, version);
#[pg_extern]
fn hello() -> &'static str {
    "x"
}
