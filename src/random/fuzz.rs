//! PURE, tests only: libFuzzer gives the numbers. What a run of the test does in the code decides which bytes it tries next.

use std::cell::Cell;
use std::env;
use std::ffi::{CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{abort, exit};
use std::ptr;
use std::slice;

// For its library, which has a function that it does not tell Rust of.
use libfuzzer_sys as _;

use super::Random;

type Test<'t> = dyn Fn(&mut Random) + 't;

unsafe extern "C" {
    /// `FuzzerDriver.cpp`: runs the function until an argument ends it.
    fn LLVMFuzzerRunDriver(
        count: *mut c_int,
        arguments: *mut *mut *mut c_char,
        one: extern "C" fn(*const u8, usize) -> c_int,
    ) -> c_int;
}

thread_local! {
    /// The test of the run, which ends with the process.
    static TEST: Cell<Option<*const Test<'static>>> = const { Cell::new(None) };
}

/// Runs the test with what libFuzzer makes, as the arguments in `PG_OPUS_FUZZ` say.
pub fn run(test: &Test<'_>) -> ! {
    let given = env::var("PG_OPUS_FUZZ").expect("PG_OPUS_FUZZ: libFuzzer's arguments");
    let arguments = ["pg_opus"].into_iter().chain(given.split_whitespace());
    let arguments: Vec<CString> = arguments.map(|it| CString::new(it).unwrap()).collect();
    let mut pointers: Vec<*mut c_char> =
        arguments.iter().map(|it| it.as_ptr().cast_mut()).collect();
    let mut count = pointers.len() as c_int;
    pointers.push(ptr::null_mut());
    let mut pointers = pointers.as_mut_ptr();
    // SAFETY: the test outlives the run, which ends the process.
    let test = unsafe { std::mem::transmute::<*const Test<'_>, *const Test<'static>>(test) };
    TEST.set(Some(test));
    // SAFETY: the arguments are C strings, as many as said and NULL behind them, and outlive the call.
    exit(unsafe { LLVMFuzzerRunDriver(&mut count, &mut pointers, one) })
}

/// A run of the test. One that fails ends the process, as libFuzzer wants it, which keeps the bytes.
extern "C" fn one(bytes: *const u8, size: usize) -> c_int {
    // SAFETY: libFuzzer's input; `bytes` may be null where it is empty.
    let bytes = if size == 0 { &[][..] } else { unsafe { slice::from_raw_parts(bytes, size) } };
    // SAFETY: `run` has set it, and is on this thread's stack.
    let test = unsafe { &*TEST.get().expect("set by run") };
    let mut random = Random::Bytes(bytes.to_vec().into_iter());
    if catch_unwind(AssertUnwindSafe(|| test(&mut random))).is_err() {
        abort();
    }
    0
}
