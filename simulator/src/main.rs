//! `storesim`: see [`storesim::cli`].

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    storesim::cli(std::env::args_os()).await
}
