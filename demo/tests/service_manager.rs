//! What the agent tells the service manager, read as systemd would: datagrams on a socket.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use parties::{CHAIN, Party, STORE, Scene, until};
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

#[test]
fn of_a_part_that_stands_still_the_name_is_said_and_signs_of_life_end() {
    let scene = Scene::new();
    // Nobody is at either broker: that is no reason.
    scene.configure(&format!(
        "[[gateway]]\nid = \"shelf\"\nap = \"0001\"\nbroker = \"mqtt://127.0.0.1:{}\"\n",
        scene.lan_port
    ));
    std::fs::write(scene.path("fault"), "hang label gateway shelf").unwrap();
    let socket = UnixDatagram::bind(scene.path("notify")).unwrap();
    let mut command = scene.agent_command("run", &[]);
    command.env("NOTIFY_SOCKET", scene.path("notify")).env("STOREWARDEN_FAULT_FILE", scene.path("fault"));
    let agent = Party::start(scene.dir(), "storewarden", &mut command);
    let named = "stands still; if that lasts the service manager will start the agent anew \
                 task=\"label gateway shelf\"";
    let mut log = String::new();
    until("it is named", || {
        log = std::fs::read_to_string(scene.path("storewarden.log")).unwrap();
        log.contains(named)
    });
    assert_eq!(log.matches("stands still").count(), 1, "nobody else is: {log}");
    // What was said before is taken; then nothing comes for longer than two looks.
    let mut bytes = [0; 256];
    socket.set_nonblocking(true).unwrap();
    while socket.recv(&mut bytes).is_ok() {}
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(11))).unwrap();
    assert!(socket.recv(&mut bytes).is_err(), "a sign of life of an agent of which a part stands still");
    assert!(scene.view().is_some(), "the rest goes on");
    assert!(agent.terminate().0.success());
}
