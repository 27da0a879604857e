//! A part of the agent panics: it begins anew, and the others go on. Nothing outside of the agent makes a
//! part of it panic that is as it should be, so a file tells it to (`drivers/src/keep.rs`).
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use parties::fridges::{Fridges, steady};
use parties::{Party, Scene, count, mosquitto, until};
use serde_json::json;

/// Two cabinets on two lines, labels, and headquarters.
fn configure(scene: &Scene, lines: &[Fridges; 2]) {
    let lan = scene.lan_port;
    let mut rest =
        format!("[[gateway]]\nid = \"shelf\"\nap = \"0001\"\nbroker = \"mqtt://127.0.0.1:{lan}\"\n");
    for (bus, line) in ["front", "back"].iter().zip(lines) {
        let address = line.address();
        rest += &format!(
            "\n[[bus]]\nid = \"{bus}\"\ntcp = \"{address}\"\n\n[[device]]\nid = \"freezer-{bus}\"\n\
             class = \"freezer\"\nprofile = \"danfoss-ekc-202d\"\nbus = \"{bus}\"\nunit = 1\npoll = \"200ms\"\n\
             points = [\"air_temperature\"]\n\
             temperature_high = {{ limit = -18.0, delay = \"0s\", delay_hold_off = \"0s\" }}\n"
        );
    }
    scene.configure(&rest);
}

/// When the air temperature of a device was last read, if it was.
fn read_at(scene: &Scene, device: usize) -> Option<i64> {
    let view = scene.view()?;
    let point = &view["devices"][device]["points"][0];
    (point["quality"] == "good").then(|| point["at_ms"].as_i64()).flatten()
}

#[test]
fn a_line_a_gateway_and_the_link_each_panic_and_the_rest_goes_on() {
    let scene = Scene::new();
    let lines = ["front", "back"].map(|line| {
        std::fs::create_dir(scene.path(line)).unwrap();
        Fridges::start(&scene.path(line), &json!({ "1": steady(-22.0) }))
    });
    configure(&scene, &lines);
    let _broker = scene.broker();
    let _lan = mosquitto(scene.dir(), scene.lan_port);
    let _headquarters = scene.headquarters();
    let fault = scene.path("fault");
    let mut command = scene.agent_command("run", &[]);
    let mut agent = Party::start(scene.dir(), "storewarden", command.env("STOREWARDEN_FAULT_FILE", &fault));
    let said = |what: &str| {
        let log = std::fs::read_to_string(scene.path("storewarden.log")).unwrap();
        log.lines().filter(|line| line.contains(what)).count()
    };
    until("both cabinets are read", || (0..2).all(|device| read_at(&scene, device).is_some()));
    until("all is connected", || {
        said("connected to headquarters") == 1 && said("connected to the store's broker") == 1
    });

    let mut panic = |task: &str| {
        let part = scene.path("fault.part");
        std::fs::write(&part, format!("panic {task}")).unwrap();
        std::fs::rename(part, &fault).unwrap();
        until(&format!("{task} panics and is begun anew"), || {
            agent.check();
            said(&format!("failed; it begins anew, the others go on task=\"{task}\"")) == 1
        });
        assert!(!fault.exists());
    };
    panic("bus front");
    for device in 0..2 {
        let then = read_at(&scene, device).unwrap_or(0);
        until("both cabinets are read on", || read_at(&scene, device).is_some_and(|at| at > then));
    }
    panic("label gateway shelf");
    until("the gateway is connected again", || said("connected to the store's broker") == 2);
    panic("headquarters link");
    until("the link is connected again", || said("connected to headquarters") == 2);

    // And what the store finds then is at headquarters.
    for line in &lines {
        line.tell(&json!({ "1": steady(-10.0) }));
    }
    until("both alarms are at headquarters", || scene.messages(1).len() == 2);
    assert_eq!(count(&scene.journal(), "boot"), 1, "one run of the agent all the time");
    assert!(agent.terminate().0.success());
}
