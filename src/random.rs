//! PURE, tests only: tests over what a seed makes.
//!
//! A failure names its seed: `PG_OPUS_SEED=<seed> cargo test NAME` repeats it. `PG_OPUS_SECONDS` is how long each such test
//! goes on (`make soak`); without it, as many rounds as it says. Built for a fuzzer (`scripts/fuzz`), the numbers are
//! those that it chooses, by what the code has not done yet.

#[cfg(fuzzing)]
#[allow(unsafe_code)]
mod fuzz;

use std::panic::RefUnwindSafe;
#[cfg(not(fuzzing))]
use std::{
    hash::{BuildHasher, RandomState},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

/// Where numbers come from.
pub enum Random {
    /// SplitMix64.
    Seed(u64),
    /// Bytes, and zeros behind them.
    #[cfg(fuzzing)]
    Bytes(std::vec::IntoIter<u8>),
}

impl Random {
    /// A number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        let number = match self {
            Random::Seed(state) => {
                *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                z ^ (z >> 31)
            }
            #[cfg(fuzzing)]
            Random::Bytes(bytes) => {
                // No more of them than the bound has, so that each tells much.
                let size = (usize::BITS - (bound - 1).leading_zeros()).div_ceil(8);
                bytes.take(size as usize).fold(0, |number, byte| number << 8 | u64::from(byte))
            }
        };
        (number % bound as u64) as usize
    }

    pub fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Runs the test for what the fuzzer makes.
#[cfg(fuzzing)]
pub fn for_seeds(_: u64, test: impl Fn(&mut Random) + RefUnwindSafe) {
    fuzz::run(&test)
}

/// Runs the test for many seeds, from a random one on.
#[cfg(not(fuzzing))]
pub fn for_seeds(rounds: u64, test: impl Fn(&mut Random) + RefUnwindSafe) {
    let of_env = |name| std::env::var(name).ok().map(|value: String| value.parse::<u64>().unwrap());
    let given = of_env("PG_OPUS_SEED");
    let seconds = of_env("PG_OPUS_SECONDS").map(Duration::from_secs);
    let start = Instant::now();
    let goes_on = |round: u64| match (given, seconds) {
        (Some(_), _) => round == 0,
        (None, Some(seconds)) => start.elapsed() < seconds,
        (None, None) => round < rounds,
    };
    let first = given.unwrap_or_else(|| RandomState::new().hash_one(0));
    for seed in (0..).take_while(|round| goes_on(*round)).map(|round| first.wrapping_add(round)) {
        let run = AssertUnwindSafe(|| test(&mut Random::Seed(seed)));
        if let Err(panic) = catch_unwind(run) {
            eprintln!("PG_OPUS_SEED={seed}");
            resume_unwind(panic);
        }
    }
}
