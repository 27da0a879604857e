//! What the agent tells the service manager, read as systemd would: datagrams on a socket.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use parties::{CHAIN, Party, STORE, Scene};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

#[test]
fn the_service_manager_hears_ready_signs_of_life_and_stopping() {
    let scene = Scene::new();
    let text = format!(
        "[store]\nchain = \"{CHAIN}\"\nid = \"{STORE}\"\ntimezone = \"Asia/Shanghai\"\n\
         [console]\nlisten = \"127.0.0.1:{}\"\n",
        scene.console
    );
    std::fs::write(scene.path("store.toml"), text).unwrap();
    let socket = UnixDatagram::bind(scene.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut command = scene.agent_command("run", &[]);
    let agent = Party::start(scene.dir(), "storewarden", command.env("NOTIFY_SOCKET", scene.path("notify")));
    let heard = || {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).expect("a word from the agent");
        String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
    };
    assert_eq!(heard(), "READY=1");
    assert_eq!(heard(), "WATCHDOG=1");
    assert_eq!(heard(), "WATCHDOG=1");
    assert!(agent.terminate().0.success());
    let last = std::iter::repeat_with(heard).find(|word| word != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}
