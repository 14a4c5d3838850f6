//! The program `ktrial`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ktrial::cli::main(std::env::args_os())
}
