//! The daemon of one store. Everything is in the library, so that others can compose it.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    storewarden::cli::run(std::env::args_os())
}
