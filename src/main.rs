//! The snapback command.

use std::process::ExitCode;

fn main() -> ExitCode {
    snapback::cli::main().into()
}
