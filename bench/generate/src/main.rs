//! Writes an IMSLP-shaped catalogue of any size: `DIR/composers.json` and `DIR/works.json`.
//!
//! For benchmarks and tests that need more than the sample. The same size and seed give the same bytes on
//! every machine. It assumes nothing but a directory that it may write to; files of the same name are replaced.
//!
//! - `catalogue`: the records, and who wrote how many works
//! - `names`, `languages`, `titles`: the words
//! - `random`: the pinned random numbers
//! - `json`: one record a line, raw or ASCII

#![forbid(unsafe_code)]

mod catalogue;
mod json;
mod languages;
mod names;
mod random;
#[cfg(test)]
mod tests;
mod titles;

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use catalogue::Size;
use json::Spelling;

const USAGE: &str =
    "usage: generate [--composers 28000] [--works 267000] [--seed 1] [--ascii] --out DIR";

/// Large enough that a million records are a few hundred writes.
const BUFFER: usize = 1 << 20;

/// A composer's place is kept in 32 bits, and a real catalogue has fewer.
const MOST_COMPOSERS: u64 = 10_000_000;

/// What pageids of 19 digits leave room for, and more than any disk here.
const MOST_WORKS: u64 = 1 << 40;

#[derive(Debug)]
struct Arguments {
    size: Size,
    spelling: Spelling,
    out: PathBuf,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let arguments = match parse(arguments) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("generate: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generate: {}: {error}", arguments.out.display());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    fs::create_dir_all(&arguments.out)?;
    let create = |name: &str| -> io::Result<BufWriter<File>> {
        let path: &Path = &arguments.out;
        Ok(BufWriter::with_capacity(BUFFER, File::create(path.join(name))?))
    };
    catalogue::write(
        arguments.size,
        arguments.spelling,
        create("composers.json")?,
        create("works.json")?,
    )
}

fn parse(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Arguments, String> {
    let mut size = Size { composers: 28_000, works: 267_000, seed: 1 };
    let mut spelling = Spelling::Raw;
    let mut out = None;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let name = argument.to_string_lossy().into_owned();
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--composers" => size.composers = number(&name, &value()?, MOST_COMPOSERS)?,
            "--works" => size.works = number(&name, &value()?, MOST_WORKS)?,
            "--seed" => size.seed = number(&name, &value()?, u64::MAX)?,
            "--ascii" => spelling = Spelling::Ascii,
            "--out" => out = Some(PathBuf::from(value()?)),
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    if size.composers == 0 && size.works > 0 {
        return Err("works need at least one composer".to_owned());
    }
    let out = out.ok_or("--out is missing")?;
    Ok(Arguments { size, spelling, out })
}

fn number(name: &str, value: &std::ffi::OsStr, most: u64) -> Result<u64, String> {
    let text = value.to_string_lossy();
    match text.parse() {
        Ok(number) if number <= most => Ok(number),
        _ => Err(format!("{name} takes a whole number from 0 to {most}, not {text:?}")),
    }
}
