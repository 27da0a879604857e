//! `storesim`: see [`storesim::cli`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    storesim::cli(std::env::args_os()).await
}
