//! Keeps what `cargo pgrx` reads of the library, the section .pgrxsc: a linker may drop what no function asks for.
//!
//! cargo-pgrx would give the same to every crate (CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND says that it need not). Here
//! only the extension's own library gets it, so that all builds share what they depend on.
//!
//! And tells the library of which sources it is made: a session and its workers may have loaded two files
//! (`src/pg/background.rs`).

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut hasher = DefaultHasher::new();
    for source in ["src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={source}");
        hash(Path::new(source), &mut hasher);
    }
    println!("cargo::rustc-env=PG_OPUS_SOURCES={:016x}", hasher.finish());
    let of_target = |name| std::env::var(name).unwrap_or_default();
    if of_target("CARGO_CFG_TARGET_FAMILY") == "unix" && of_target("CARGO_CFG_TARGET_OS") != "macos"
    {
        println!("cargo::rustc-cdylib-link-arg=-Wl,--no-gc-sections");
    }
}

/// A file, or all files of a folder in the order of their names.
fn hash(path: &Path, hasher: &mut DefaultHasher) {
    path.hash(hasher);
    match fs::read_dir(path) {
        Ok(entries) => {
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            paths.iter().for_each(|path| hash(path, hasher));
        }
        Err(_) => fs::read(path).unwrap_or_default().hash(hasher),
    }
}
