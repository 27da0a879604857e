//! The line to headquarters over TLS: to the broker whose authority the store names, and to no other; with
//! the store's own certificate, also when that is renewed.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use parties::{CHAIN, Party, STORE, Scene, eventually, program, until};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::net::TcpStream;
use std::process::Command;
use storesim::port;

/// An authority, and the certificate of `localhost` that it signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
    server: String,
    server_key: String,
}

impl Authority {
    /// A client's certificate and key in the scene's files `store.pem` and `store.key`.
    fn certify(&self, scene: &Scene, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(scene.path("store.key"), key.serialize_pem()).unwrap();
        std::fs::write(scene.path("store.pem"), signed.pem()).unwrap();
    }
}

fn authority() -> Authority {
    authority_named("the store's authority")
}

fn authority_named(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    Authority { pem: issuer.pem(), issuer, server: server.pem(), server_key: key.serialize_pem() }
}

/// Mosquitto with a plain listener for headquarters and a TLS listener for the store.
fn broker(scene: &Scene, tls_port: u16, authority: &Authority, more: &str) -> Party {
    let write = |name: &str, text: &str| {
        std::fs::write(scene.path(name), text).unwrap();
        scene.path(name).display().to_string()
    };
    let text = format!(
        "listener {} 127.0.0.1\nlistener {tls_port} 127.0.0.1\ncertfile {}\nkeyfile {}\n{more}\
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

fn configure(scene: &Scene, tls_port: u16, trusted: &str, more: &str) {
    std::fs::write(scene.path("ca.pem"), trusted).unwrap();
    let text = format!(
        "[store]\nchain = \"{CHAIN}\"\nid = \"{STORE}\"\ntimezone = \"Asia/Shanghai\"\n\
         [hq]\nbroker = \"mqtts://localhost:{tls_port}\"\nca_file = \"ca.pem\"\n{more}\
         [console]\nlisten = \"127.0.0.1:{}\"\n",
        scene.console
    );
    std::fs::write(scene.path("store.toml"), text).unwrap();
}

#[test]
fn a_store_reaches_the_broker_whose_authority_it_names() {
    let (scene, tls_port, authority) = (Scene::new(), port::free(), authority());
    let _broker = broker(&scene, tls_port, &authority, "");
    let _hq = scene.headquarters();
    configure(&scene, tls_port, &authority.pem, "");
    let _agent = scene.agent();
    eventually("headquarters knows the store", || {
        let db = scene.hq_db();
        db.query_row("SELECT 1 FROM store WHERE store = ?1 AND online", [STORE], |_| Ok(())).ok()
    });
}

#[test]
fn a_broker_of_another_authority_is_refused() {
    let (scene, tls_port) = (Scene::new(), port::free());
    let _broker = broker(&scene, tls_port, &authority(), "");
    configure(&scene, tls_port, &authority().pem, "");
    let _agent = scene.agent();
    let said = eventually("the agent says why", || {
        let log = std::fs::read_to_string(scene.path("storewarden.log")).unwrap_or_default();
        log.lines().find(|line| line.contains("no connection to headquarters")).map(str::to_owned)
    });
    // Of the same name, with another key.
    assert!(said.contains("ca_file must be of the authority"), "{said}");
    assert!(!std::fs::read_to_string(scene.path("storewarden.log")).unwrap().contains("connected to head"));
}

#[test]
fn a_store_shows_its_own_certificate_and_takes_a_renewed_one_without_a_restart() {
    let (scene, tls_port, authority) = (Scene::new(), port::free(), authority());
    std::fs::write(scene.path("clients.pem"), &authority.pem).unwrap();
    let log = scene.path("broker.log");
    let more = format!(
        "cafile {}\nrequire_certificate true\nuse_identity_as_username true\nlog_dest file {}\nlog_type all\n",
        scene.path("clients.pem").display(),
        log.display()
    );
    let _broker = broker(&scene, tls_port, &authority, &more);
    // Of an authority that the broker does not know.
    self::authority().certify(&scene, "stranger");
    configure(&scene, tls_port, &authority.pem, "cert_file = \"store.pem\"\nkey_file = \"store.key\"\n");
    let _agent = scene.agent();
    let heard = |what: &str| {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        said.lines().any(|line| line.contains(what)).then_some(())
    };
    eventually("the broker refuses the stranger", || {
        heard("certificate verify failed").or_else(|| heard("unknown ca")).or_else(|| heard("SSL routines"))
    });
    assert_eq!(heard("u'stranger'"), None);
    authority.certify(&scene, "store-0042-first");
    eventually("the right certificate is taken", || heard("u'store-0042-first'"));
    authority.certify(&scene, "store-0042-renewed");
    eventually("the renewed one is taken while connected", || heard("u'store-0042-renewed'"));
}

/// The access point and the agent both reach the broker of the store's LAN over TLS. A label gets its image, blank
/// since it is bound to nothing; an agent that trusts another authority says so and reaches nobody.
#[test]
fn labels_are_reached_over_tls_and_through_no_other_broker() {
    let (scene, tls_port, authority) = (Scene::new(), port::free(), authority());
    let _broker = broker(&scene, tls_port, &authority, "");
    std::fs::write(scene.path("lan.pem"), &authority.pem).unwrap();
    std::fs::write(scene.path("other.pem"), self::authority().pem).unwrap();
    let simulated = format!(
        "[[gateway]]\nap = \"0001\"\nbroker = \"mqtts://localhost:{tls_port}\"\nca_file = {:?}\nheartbeat = \"1s\"\n\
         labels = [\"3D000001\"]\n",
        scene.path("lan.pem")
    );
    std::fs::write(scene.path("sim.toml"), simulated).unwrap();
    let mut command = program("storesim");
    command.arg("run").arg(scene.path("sim.toml")).arg("--labels-dir").arg(scene.path("labels"));
    let _simulator = Party::start(scene.dir(), "storesim", &mut command);
    let configure = |ca: &str| {
        let text = format!(
            "[store]\nchain = \"{CHAIN}\"\nid = \"{STORE}\"\ntimezone = \"Asia/Shanghai\"\n\
             [console]\nlisten = \"127.0.0.1:{}\"\n\
             [[price_key]]\nid = \"team\"\npublic = \"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"\n\
             [[gateway]]\nid = \"shelf\"\nap = \"0001\"\nbroker = \"mqtts://localhost:{tls_port}\"\nca_file = \"{ca}\"\n\
             [[label]]\nid = \"3D000001\"\ngateway = \"shelf\"\nitem = \"10001\"\n",
            scene.console
        );
        std::fs::write(scene.path("store.toml"), text).unwrap();
    };
    configure("other.pem");
    let agent = scene.agent();
    let said = eventually("the agent says why", || {
        let log = std::fs::read_to_string(scene.path("storewarden.log")).unwrap_or_default();
        log.lines().find(|line| line.contains("no connection to the store's broker")).map(str::to_owned)
    });
    assert!(said.to_lowercase().contains("certificate"), "{said}");
    agent.terminate();
    configure("lan.pem");
    let agent = scene.agent();
    until("the agent answers", || scene.view().is_some());
    let mut unbind = program("storewarden");
    unbind.args(["label", "unbind", "--label", "3D000001", "--by", "Li", "--config"]);
    parties::printed(&unbind.arg(scene.path("store.toml")).output().unwrap());
    until("the label shows nothing", || scene.path("labels").join("3D000001.png").exists());
    agent.terminate();
}

/// What the log says of a broker that asks for a certificate: what to look at, and when it is right.
#[test]
fn a_broker_that_asks_for_a_certificate_gets_one_or_the_log_says_what_to_look_at() {
    let (scene, tls_port, authority) = (Scene::new(), port::free(), authority());
    std::fs::write(scene.path("clients.pem"), &authority.pem).unwrap();
    let more = format!("cafile {}\nrequire_certificate true\n", scene.path("clients.pem").display());
    let _broker = broker(&scene, tls_port, &authority, &more);
    authority.certify(&scene, "store-0042");
    std::fs::write(scene.path("ca.pem"), authority_named("another").pem).unwrap();
    let text = format!(
        "[store]\nchain = \"{CHAIN}\"\nid = \"{STORE}\"\ntimezone = \"Asia/Shanghai\"\n\
         [console]\nlisten = \"127.0.0.1:{}\"\n\
         [[gateway]]\nid = \"shelf\"\nap = \"0001\"\nbroker = \"mqtts://localhost:{tls_port}\"\n\
         ca_file = \"ca.pem\"\ncert_file = \"store.pem\"\nkey_file = \"store.key\"\n",
        scene.console
    );
    std::fs::write(scene.path("store.toml"), text).unwrap();
    let _agent = scene.agent();
    let log = || std::fs::read_to_string(scene.path("storewarden.log")).unwrap_or_default();
    let warns = |advice: &str| {
        until(advice, || {
            log()
                .lines()
                .any(|line| line.contains("no connection to the store's broker") && line.contains(advice))
        });
    };
    warns("ca_file must be of the authority that signed the broker's certificate");
    // Now the broker is trusted, and it does not trust our certificate.
    self::authority().certify(&scene, "store-0042");
    std::fs::write(scene.path("ca.pem"), &authority.pem).unwrap();
    warns("it may ask for cert_file and key_file that its own authority signed");
    assert!(!log().contains("connected to the store's broker"), "{}", log());
    // The files are read at each connection.
    authority.certify(&scene, "store-0042");
    until("the right files are taken without a restart", || {
        log().contains("connected to the store's broker")
    });
}
