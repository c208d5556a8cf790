//! Keeps what `cargo pgrx` reads of the library, the section .pgrxsc: a linker may drop what no function asks for.
//!
//! cargo-pgrx would give the same to every crate (CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND says that it need not). Here
//! only the extension's own library gets it, so that all builds share what they depend on.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let of_target = |name| std::env::var(name).unwrap_or_default();
    if of_target("CARGO_CFG_TARGET_FAMILY") == "unix" && of_target("CARGO_CFG_TARGET_OS") != "macos"
    {
        println!("cargo::rustc-cdylib-link-arg=-Wl,--no-gc-sections");
    }
}
