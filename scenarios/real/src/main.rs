//! The program `ktrial-real`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ktrial_real::cli::main(std::env::args_os())
}
