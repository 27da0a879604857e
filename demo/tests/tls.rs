//! The line to headquarters over TLS: to the broker whose authority the store names, and to no other.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use parties::{CHAIN, Party, STORE, Scene, eventually, free_port, until};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::net::TcpStream;
use std::process::Command;

/// An authority, and the certificate of `localhost` that it signed.
struct Authority {
    pem: String,
    server: String,
    server_key: String,
}

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    Authority { pem: issuer.pem(), server: server.pem(), server_key: key.serialize_pem() }
}

/// Mosquitto with a plain listener for headquarters and a TLS listener for the store.
fn broker(scene: &Scene, tls_port: u16, authority: &Authority) -> Party {
    let write = |name: &str, text: &str| {
        std::fs::write(scene.path(name), text).unwrap();
        scene.path(name).display().to_string()
    };
    let text = format!(
        "listener {} 127.0.0.1\nlistener {tls_port} 127.0.0.1\ncertfile {}\nkeyfile {}\n\
         allow_anonymous true\npersistence false\nuser root\n",
        scene.hq_port,
        write("server.pem", &authority.server),
        write("server.key", &authority.server_key)
    );
    let config = write("mosquitto.conf", &text);
    let mut broker = Party::start(scene.dir(), "mosquitto", Command::new("mosquitto").arg("-c").arg(config));
    until("Mosquitto listens", || {
        broker.check();
        TcpStream::connect(("127.0.0.1", tls_port)).is_ok()
    });
    broker
}

fn configure(scene: &Scene, tls_port: u16, trusted: &str) {
    std::fs::write(scene.path("ca.pem"), trusted).unwrap();
    let text = format!(
        "[store]\nchain = \"{CHAIN}\"\nid = \"{STORE}\"\ntimezone = \"Asia/Shanghai\"\n\
         [hq]\nbroker = \"mqtts://localhost:{tls_port}\"\nca_file = \"ca.pem\"\n\
         [console]\nlisten = \"127.0.0.1:{}\"\n",
        scene.console
    );
    std::fs::write(scene.path("store.toml"), text).unwrap();
}

#[test]
fn a_store_reaches_the_broker_whose_authority_it_names() {
    let (scene, tls_port, authority) = (Scene::new(), free_port(), authority());
    let _broker = broker(&scene, tls_port, &authority);
    let _hq = scene.headquarters();
    configure(&scene, tls_port, &authority.pem);
    let _agent = scene.agent();
    eventually("headquarters knows the store", || {
        let db = scene.hq_db();
        db.query_row("SELECT 1 FROM store WHERE store = ?1 AND online", [STORE], |_| Ok(())).ok()
    });
}

#[test]
fn a_broker_of_another_authority_is_refused() {
    let (scene, tls_port) = (Scene::new(), free_port());
    let _broker = broker(&scene, tls_port, &authority());
    configure(&scene, tls_port, &authority().pem);
    let _agent = scene.agent();
    let said = eventually("the agent says why", || {
        let log = std::fs::read_to_string(scene.path("storewarden.log")).unwrap_or_default();
        log.lines().find(|line| line.contains("no connection to headquarters")).map(str::to_owned)
    });
    assert!(said.to_lowercase().contains("certificate"), "{said}");
    assert!(!std::fs::read_to_string(scene.path("storewarden.log")).unwrap().contains("connected to head"));
}
