//! The headquarters service and its command line; all of it is in the library, so that the
//! demonstration can run it too.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    storewarden_hq::cli(std::env::args_os()).await
}
