//! A store with three labels behind a simulated access point, headquarters, and a key of the price team.

use crate::parties::{self, CHAIN, Party, STORE, Scene, column, eventually, mosquitto, program, until};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::process::{Command, Output};
use storewarden_proto::prost::Message as _;
use storewarden_proto::v1::envelope::Body;
use storewarden_proto::v1::{BatchOutcome, LabelShown, Proof, SignedBatch, Stream};

pub(crate) const KEY: &str = "price-team";
/// Item, EAN-13, name, and its label, whose first two digits are the model.
pub(crate) const ITEMS: [(&str, &str, &str, &str); 3] = [
    ("10001", "6901234567892", "农夫山泉饮用天然水", "3D000001"),
    ("10002", "6902083881405", "香草冰淇淋", "36000002"),
    ("10003", "6921168509256", "红烧牛肉面", "40000003"),
];
/// In a drawer: of the model of the first item's label.
pub(crate) const SPARE: &str = "3D000009";
pub(crate) const FIRST: [&str; 3] = ["2.00", "6.50", "4.50"];
pub(crate) const SECOND: [&str; 3] = ["2.10", "6.90", "3.99"];

/// A shelf with three labels behind a simulated access point, the store, headquarters.
pub(crate) struct Shelf {
    pub(crate) scene: Scene,
    pub(crate) headquarters: Option<Party>,
    /// The store's broker, the access point, the broker of headquarters.
    _parties: [Party; 3],
}

impl Shelf {
    /// Starts everything but the agent. The radio needs `airtime_ms` for each label.
    pub(crate) fn start(airtime_ms: u64) -> Self {
        let scene = Scene::new();
        let lan = mosquitto(scene.dir(), scene.lan_port);
        let labels: Vec<_> = ITEMS.iter().map(|item| item.3).chain([SPARE]).collect();
        let simulated = format!(
            "[[gateway]]\nap = \"0001\"\nbroker = \"mqtt://127.0.0.1:{}\"\nheartbeat = \"1s\"\n\
             airtime_ms = {airtime_ms}\nlabels = {labels:?}\n",
            scene.lan_port
        );
        std::fs::write(scene.path("sim.toml"), simulated).unwrap();
        let mut command = program("storesim");
        command.arg("run").arg(scene.path("sim.toml")).arg("--events").arg(scene.path("truth.jsonl"));
        command.arg("--labels-dir").arg(scene.path("labels"));
        let simulator = Party::start(scene.dir(), "storesim", &mut command);

        let broker = scene.broker();
        let headquarters = scene.headquarters();
        let dir = scene.dir().to_str().unwrap();
        let printed = scene.hq(&["price", "keygen", "--out", dir, "--id", KEY]);
        let public = public(&printed);
        let mut config = format!(
            "[[price_key]]\nid = \"{KEY}\"\npublic = {public}\n\n\
             [[gateway]]\nid = \"shelf\"\nap = \"0001\"\nbroker = \"mqtt://127.0.0.1:{}\"\n",
            scene.lan_port
        );
        for (item, .., label) in ITEMS {
            config += &format!("\n[[label]]\nid = \"{label}\"\ngateway = \"shelf\"\nitem = \"{item}\"\n");
        }
        scene.configure(&config);
        Self { scene, headquarters: Some(headquarters), _parties: [lan, simulator, broker] }
    }

    /// Signs and queues these prices for the first items.
    pub(crate) fn push(&self, prices: &[&str]) {
        let row = |((item, gtin, name, _), price): (&(&str, &str, &str, &str), &&str)| {
            format!("{item},{gtin},{name},500 ml,CNY,{price},regular,,\n")
        };
        self.push_rows(&ITEMS.iter().zip(prices).map(row).collect::<String>());
    }

    /// Signs and queues a table of these rows.
    pub(crate) fn push_rows(&self, rows: &str) {
        let table = format!("item,gtin,name,unit,currency,price,kind,valid_from,valid_until\n{rows}");
        let (csv, key) = (self.scene.path("prices.csv"), self.scene.path(&format!("{KEY}.pem")));
        std::fs::write(&csv, table).unwrap();
        let (csv, key) = (csv.to_str().unwrap(), key.to_str().unwrap());
        let of = ["--key", key, "--key-id", KEY, "--chain", CHAIN, "--store", STORE];
        self.scene.hq(&[&["price", "push", csv], of.as_slice()].concat());
    }

    /// Makes a root key, which the store knows instead of the price team's. Returns the public half of the
    /// latter, for a list.
    pub(crate) fn under_a_root_key(&self) -> String {
        let dir = self.scene.dir().to_str().unwrap();
        let root = public(&self.scene.hq(&["price", "keygen", "--root", "--out", dir, "--id", "root"]));
        let config = std::fs::read_to_string(self.scene.path("store.toml")).unwrap();
        let before = config.lines().skip_while(|line| *line != "[[price_key]]").nth(2).unwrap().to_owned();
        let config =
            config.replace("[[price_key]]", "[[root_key]]").replace(&before, &format!("public = {root}"));
        let config = config.replacen(&format!("id = \"{KEY}\""), "id = \"root\"", 1);
        std::fs::write(self.scene.path("store.toml"), config).unwrap();
        before.strip_prefix("public = ").unwrap().to_owned()
    }

    /// Signs and queues a list of keys.
    pub(crate) fn send_keys(&self, list: &str) {
        std::fs::write(self.scene.path("keys.toml"), list).unwrap();
        let (keys, root) = (self.scene.path("keys.toml"), self.scene.path("root.pem"));
        let of = ["--key", root.to_str().unwrap(), "--key-id", "root", "--chain", CHAIN, "--store", STORE];
        self.scene.hq(&[&["price", "keys", keys.to_str().unwrap()], of.as_slice()].concat());
    }

    /// `storewarden price …` in the store.
    pub(crate) fn in_store(&self, arguments: &[&str]) -> Output {
        let mut command = program("storewarden");
        command.arg("price").args(arguments).arg("--config").arg(self.scene.path("store.toml"));
        command.output().unwrap()
    }

    /// `storewarden label …`
    pub(crate) fn label(&self, act: &str, arguments: &[&str]) -> String {
        let mut command = program("storewarden");
        command.args(["label", act, "--config"]).arg(self.scene.path("store.toml")).args(arguments);
        parties::printed(&command.output().unwrap())
    }

    /// Every image that a label truly showed so far: label and SHA-256.
    pub(crate) fn shown(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.scene.path("truth.jsonl")).unwrap_or_default();
        let facts = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        facts
            .filter(|fact| fact["event"] == "label_shown")
            .map(|fact| (fact["label"].as_str().unwrap().into(), fact["sha256"].as_str().unwrap().into()))
            .collect()
    }

    /// What each label shows now, by the image it kept.
    pub(crate) fn on_the_shelf(&self) -> HashMap<String, String> {
        let image = |label: &str| {
            let png = std::fs::read(self.scene.path("labels").join(format!("{label}.png"))).unwrap();
            (label.to_owned(), hex(&Sha256::digest(png)))
        };
        ITEMS.iter().map(|item| image(item.3)).collect()
    }

    fn results(&self) -> Vec<Body> {
        let messages = self.scene.messages(Stream::PriceResult.into());
        messages.into_iter().filter_map(|message| message.body).collect()
    }

    /// What headquarters was told of labels.
    pub(crate) fn told(&self) -> Vec<LabelShown> {
        let shown = |body| match body {
            Body::LabelsShown(told) => told.shown,
            _ => Vec::new(),
        };
        self.results().into_iter().flat_map(shown).collect()
    }

    /// The proofs at headquarters that labels show prices of a batch.
    pub(crate) fn proofs(&self, batch: u64) -> Vec<LabelShown> {
        let is_proof = |shown: &LabelShown| {
            shown.batch == batch && shown.proof() >= Proof::Refreshed && shown.proof() != Proof::Failed
        };
        self.told().into_iter().filter(is_proof).collect()
    }

    /// What the store said at headquarters of the batch with this digest.
    pub(crate) fn outcomes(&self, batch: &[u8]) -> Vec<BatchOutcome> {
        let digest = Sha256::digest(batch);
        let outcome = |body| match body {
            Body::BatchOutcome(outcome) if outcome.digest == digest.as_slice() => Some(outcome),
            _ => None,
        };
        self.results().into_iter().filter_map(outcome).collect()
    }

    /// Waits until headquarters counts all labels of batch `number` as shown, and checks the proofs
    /// against the images and the prices.
    pub(crate) fn proven(&self, number: u64, minor: [i64; 3]) {
        until("headquarters has proof of all three labels", || {
            let proofs = self.proofs(number);
            ITEMS.iter().all(|item| proofs.iter().any(|proof| proof.label == item.3))
        });
        let status = self.scene.hq(&["price", "status", "--json"]);
        let mut batches = status.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let is_it = |batch: &Value| batch["number"] == number && batch["key_id"] == KEY;
        let batch = batches.find(is_it).expect("it was pushed");
        assert_eq!(batch["stores"][0]["accepted"], true, "{batch}");
        assert_eq!(batch["stores"][0]["labels"]["shown"], 3, "{batch}");
        let (proofs, images) = (self.proofs(number), self.on_the_shelf());
        for ((item, .., label), minor) in ITEMS.iter().zip(minor) {
            let proof = proofs.iter().rfind(|proof| proof.label == *label).expect("it is counted");
            assert_eq!((proof.item.as_str(), proof.price_minor), (*item, minor));
            assert_eq!(proof.currency, "CNY");
            assert_eq!(hex(&proof.image), images[*label], "the proof is of what the label shows");
        }
    }

    /// The payload of a batch as headquarters sends it.
    pub(crate) fn payload(&self, number: u64) -> SignedBatch {
        self.payload_of(KEY, number)
    }

    pub(crate) fn payload_of(&self, key: &str, number: u64) -> SignedBatch {
        let sql = format!("SELECT payload FROM batch WHERE number = {number} AND key_id = '{key}'");
        SignedBatch::decode(column::<Vec<u8>>(&self.scene.hq_db(), &sql)[0].as_slice()).unwrap()
    }

    /// Publishes a batch past headquarters, as anyone could who gets at its broker.
    pub(crate) fn smuggle(&self, batch: &SignedBatch) {
        let file = self.scene.path("smuggled");
        std::fs::write(&file, batch.encode_to_vec()).unwrap();
        let topic = format!("storewarden/v1/{CHAIN}/{STORE}/price");
        let mut command = Command::new("mosquitto_pub");
        command.args(["-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", &self.scene.hq_port.to_string()]);
        let output = command.args(["-t", &topic, "-f"]).arg(&file).output();
        let output = output.unwrap_or_else(|error| panic!("mosquitto_pub ({error}): run ./scripts/test"));
        parties::printed(&output);
    }

    /// Waits until headquarters has `count` answers to a batch; gives the last.
    pub(crate) fn answered(&self, batch: &SignedBatch, count: usize) -> BatchOutcome {
        let outcome = eventually("the store answers", || {
            let outcomes = self.outcomes(&batch.batch);
            (outcomes.len() >= count).then(|| outcomes.last().cloned())
        });
        outcome.expect("count is above 0")
    }
}

/// The public half of a key that was just made.
pub(crate) fn public(printed: &str) -> String {
    printed.lines().find_map(|line| line.trim().strip_prefix("public = ")).expect("a key").to_owned()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
