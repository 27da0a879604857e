//! The price team's side: what would change, how far it is, the proof, and taking it back.

use crate::parties::{self, CHAIN, until};
use crate::shelf::{FIRST, ITEMS, KEY, Shelf};
use std::process::{Command, Output};

fn text(output: &Output) -> String {
    String::from_utf8([output.stdout.as_slice(), output.stderr.as_slice()].concat()).unwrap()
}

/// The file as Python's `csv` reads it: each row a line, its cells separated by ` | `.
fn by_python(file: &str) -> Vec<String> {
    let python = std::env::var("STOREWARDEN_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = "import csv, sys\nfor row in csv.reader(open(sys.argv[1], newline='', encoding='utf-8')): print(' | '.join(row))";
    let output = Command::new(python).args(["-c", script, file]).output().unwrap();
    parties::printed(&output).lines().map(str::to_owned).collect()
}

#[test]
fn a_campaign_is_tried_pushed_watched_proven_held_against_the_tills_and_taken_back() {
    let shelf = Shelf::start(50);
    let path = |name: &str| shelf.scene.path(name).to_str().unwrap().to_owned();
    let key = path(&format!("{KEY}.pem"));
    let of = ["--key", &key, "--key-id", KEY, "--chain", CHAIN];
    let hq = |arguments: &[&str]| shelf.scene.hq_command(arguments).output().unwrap();
    let agent = shelf.scene.agent();
    shelf.push(&FIRST);
    shelf.proven(1, [200, 650, 450]);
    let before = shelf.on_the_shelf();
    let told = shelf.scene.hq(&["price", "status"]);
    assert!(told.contains("campaign price-team-1"), "{told}");

    // A leaflet: one regular price, one promotion, one item that is new and ends without a successor.
    let table = |last: &str| {
        let rows = format!(
            "item,gtin,name,unit,currency,price,kind,valid_from,valid_until\n\
             {},{},{},500 ml,CNY,2.20,regular,,\n\
             {},{},=HYPERLINK(1),500 ml,CNY,5.00,promotion,2020-01-01T00:00,2099-01-01T00:00\n{last}",
            ITEMS[0].0, ITEMS[0].1, ITEMS[0].2, ITEMS[1].0, ITEMS[1].1
        );
        std::fs::write(path("leaflet.csv"), rows).unwrap();
    };
    let push = |more: &[&str]| {
        hq(&[&["price", "push", &path("leaflet.csv"), "--campaign", "leaflet-49"], of.as_slice(), more]
            .concat())
    };
    table("10009,6921168509256,蛋糕,1,CNY,8.00,promotion,2020-01-01T00:00,2099-01-01T00:00\n");
    let tried = push(&["--dry-run"]);
    assert_eq!(tried.status.code(), Some(1), "{}", text(&tried));
    assert!(
        text(&tried).contains("item 10009: nothing gives it a price from 2098-12-31T16:00:00Z on"),
        "{}",
        text(&tried)
    );
    table("");
    let changes = path("changes.csv");
    let tried = push(&["--dry-run", "--changes", &changes]);
    assert_eq!(tried.status.code(), Some(0), "{}", text(&tried));
    let said = text(&tried);
    assert!(said.contains("1 store (0042; Asia/Shanghai):"), "{said}");
    assert!(said.contains("10001 农夫山泉饮用天然水: ¥2.00 → ¥2.20 from "), "{said}");
    let rows = by_python(&changes);
    assert_eq!(rows[0], "store | item | name | from | old | new | refused");
    assert!(
        rows[1].starts_with("0042 | 10001 | 农夫山泉饮用天然水 | ")
            && rows[1].ends_with("+08:00 | 2.00 | 2.20 | "),
        "{rows:?}"
    );
    assert!(rows[2].starts_with("0042 | 10002 | '=HYPERLINK(1) | "), "{rows:?}");
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!(shelf.on_the_shelf(), before, "nothing was queued");

    // Pushed and watched until the last label shows it.
    assert_eq!(push(&[]).status.code(), Some(0));
    let again = push(&[]);
    assert!(text(&again).contains("there is a campaign leaflet-49 already"), "{}", text(&again));
    let watched = hq(&["price", "status", "leaflet-49", "--chain", CHAIN, "--watch", "--for", "60s"]);
    let said = text(&watched);
    assert_eq!(watched.status.code(), Some(0), "{said}");
    assert!(said.ends_with("1/1 stores accepted; 2 of 2 labels show it\n"), "{said}");
    let proof = path("proof.csv");
    parties::printed(&hq(&["price", "proof", "leaflet-49", "--chain", CHAIN, "--csv", &proof]));
    let rows = by_python(&proof);
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert!(
        rows[1].starts_with(
            "0042 | 36000002 | 10002 | 5.00 | CNY | 500 | price-team | 2 | shown | refreshed | 20"
        ),
        "{rows:?}"
    );

    // Held against the tills: one has not heard of the leaflet, one item it does not know.
    let integrity = |pos: &str| {
        std::fs::write(path("pos.csv"), format!("store,item,price\n{pos}")).unwrap();
        hq(&[
            "price",
            "integrity",
            "--chain",
            CHAIN,
            "--pos",
            &path("pos.csv"),
            "--csv",
            &path("integrity.csv"),
        ])
    };
    let differs = integrity("0042,10001,2.00\n0042,10002,5.00\n");
    assert_eq!(differs.status.code(), Some(1), "{}", text(&differs));
    let rows = by_python(&path("integrity.csv"));
    assert_eq!(
        rows[1..],
        [
            "0042 | till_differs | 10001 | 农夫山泉饮用天然水 |  | 2.20 | 2.00 | CNY | ",
            "0042 | till_missing | 10003 | 红烧牛肉面 |  | 4.50 |  | CNY | "
        ]
    );
    let agrees = integrity("0042,10001,2.20\n0042,10002,5.00\n0042,10003,4.50\n");
    assert_eq!(agrees.status.code(), Some(0), "{}", text(&agrees));
    assert!(text(&agrees).contains("1 stores, 3 labels: everything agrees"), "{}", text(&agrees));

    // Taken back: every label shows what it showed before.
    let revert = |more: &[&str]| hq(&[&["price", "revert", "leaflet-49"], of.as_slice(), more].concat());
    let tried = revert(&["--dry-run"]);
    assert!(text(&tried).contains("10002") && text(&tried).contains("¥5.00 → ¥6.50"), "{}", text(&tried));
    let reverted = revert(&["--wait", "60"]);
    assert_eq!(reverted.status.code(), Some(0), "{}", text(&reverted));
    until("every label shows what it showed before", || shelf.on_the_shelf() == before);
    until("headquarters has proof of it", || {
        hq(&["price", "integrity", "--chain", CHAIN]).status.code() == Some(0)
    });
    let twice = hq(&[&["price", "revert", "price-team-3"], of.as_slice()].concat());
    assert!(text(&twice).contains("only took another one back"), "{}", text(&twice));
    let unknown = hq(&["price", "status", "leaflet-50", "--chain", CHAIN]);
    assert!(text(&unknown).contains("has no campaign leaflet-50"), "{}", text(&unknown));
    let (status, _) = agent.terminate();
    assert!(status.success(), "{status}");
}
