//! A port for a server that is started, killed and started again.

use std::net::TcpStream;

/// A port that nobody listens on, below those of outgoing connections (32768 and up), so that nobody
/// takes it while its server is away. Found by knocking, not by listening: a program that another thread
/// starts at that moment would inherit the listener and hold the port until it is under way.
pub fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(10_000..32_000);
        if TcpStream::connect(("127.0.0.1", port)).is_err() {
            return port;
        }
    }
}
