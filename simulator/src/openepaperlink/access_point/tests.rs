//! What the access point does with what it is asked. The clock is the test's.

use super::*;

const T0: u64 = 1_790_000_000_000;

fn mac(number: usize) -> String {
    format!("00000218CEDD{number:04X}")
}

fn access_point(labels: usize, nature: Nature) -> AccessPoint {
    let config = Config {
        listen: "oepl".into(),
        labels: (0..labels).map(mac).collect(),
        size: (16, 8),
        nature,
        incidents: Vec::new(),
    };
    AccessPoint::new(config, 7, T0)
}

fn request(path: &str, parameters: &[(&str, &str)]) -> Request {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Request { path: path.into(), parameters: parameters.collect(), file: None }
}

fn asked(ap: &mut AccessPoint, at_ms: u64, path: &str, parameters: &[(&str, &str)]) -> (u16, String) {
    match ap.request(at_ms, &request(path, parameters)).0 {
        Reply::Answer(status, body) => (status, String::from_utf8_lossy(&body).into_owned()),
        Reply::Break => panic!("the connection breaks"),
    }
}

/// JPEG files of 16 x 8 pixels, all white and all black, by Pillow 13.0.0:
/// `Image.new("L", (16, 8), 255).save(file, "JPEG")`, and with 0.
const WHITE: &[u8] = include_bytes!("white.jpg");
const BLACK: &[u8] = include_bytes!("black.jpg");

fn upload(ap: &mut AccessPoint, at_ms: u64, file: &[u8]) -> Reply {
    let mac = mac(0);
    let request = Request { file: Some(file.to_vec()), ..request("/imgupload", &[("mac", &mac)]) };
    ap.request(at_ms, &request).0
}

fn saved() -> Reply {
    Reply::Answer(200, b"Ok, saved".to_vec())
}

fn record(ap: &mut AccessPoint, at_ms: u64) -> Value {
    let page = asked(ap, at_ms, "/get_db", &[("mac", &mac(0))]).1;
    serde_json::from_str::<Value>(&page).expect("JSON")["tags"][0].clone()
}

fn truth(ap: &AccessPoint) -> Truth {
    ap.truth().next().expect("a label").1.clone()
}

fn all(colour: u8) -> Option<[u8; 32]> {
    Some(Pixels { width: 16, height: 8, colours: vec![colour; 128] }.digest())
}

#[test]
fn an_image_is_fetched_when_the_label_asks_for_news() {
    let mut ap = access_point(1, Nature { checkin_ms: 60_000, ..Nature::default() });
    assert_eq!(upload(&mut ap, T0, WHITE), saved());
    assert_eq!(record(&mut ap, T0 + 1_999)["pending"], 0);
    let checkin_ms = ap.labels[&mac(0)].next_checkin_ms;
    assert!((T0 + 2_001..T0 + 60_001).contains(&checkin_ms), "as the seed has it");
    assert_eq!(record(&mut ap, T0 + 2_000)["pending"], 1);
    ap.tick(checkin_ms - 1);
    assert_eq!(truth(&ap), Truth::default());
    ap.tick(checkin_ms);
    let shown = Truth { shown: all(1), since_ms: checkin_ms, refreshes: 1, blinks: 0 };
    assert_eq!(truth(&ap), shown);
    let record = record(&mut ap, checkin_ms);
    assert_eq!((&record["pending"], &record["updatelast"]), (&json!(0), &json!(checkin_ms / 1000)));
}

#[test]
fn the_table_is_read_in_pages_and_its_places_count_in_one_byte() {
    let mut ap = access_point(300, Nature::default());
    let (mut place, mut found) = (0, Vec::new());
    loop {
        let (_, body) = asked(&mut ap, T0, "/get_db", &[("pos", &place.to_string())]);
        let page: Value = serde_json::from_str(&body).expect("JSON");
        let tags = page["tags"].as_array().expect("tags");
        assert!(body.len() > PAGE_BYTES - 500 && body.len() < PAGE_BYTES + 1_000, "{}", body.len());
        found.extend(tags.iter().map(|tag| tag["mac"].as_str().expect("a mac").to_owned()));
        place = page["continu"].as_u64().expect("more");
        if place > 255 {
            break;
        }
    }
    assert_eq!(found, (0..found.len()).map(mac).collect::<Vec<_>>());
    let (_, body) = asked(&mut ap, T0, "/get_db", &[("pos", "256")]);
    assert!(body.contains(&mac(0)), "it has begun anew");
}

#[test]
fn what_the_access_point_believes_to_be_shown_is_not_sent_again() {
    let mut ap = access_point(1, Nature { checkin_ms: 1_000, ..Nature::default() });
    upload(&mut ap, T0, WHITE);
    ap.tick(T0 + 5_000);
    assert_eq!(truth(&ap).shown, all(1));
    ap.suffer(T0 + 6_000, &Incident::Faded(mac(0)));
    assert_eq!(upload(&mut ap, T0 + 7_000, WHITE), saved());
    ap.tick(T0 + 60_000);
    assert_eq!(truth(&ap).shown, None, "a lie");
    upload(&mut ap, T0 + 60_000, BLACK);
    ap.tick(T0 + 70_000);
    assert_eq!(truth(&ap).shown, all(0));
    // One that says that it has started anew is believed to show nothing.
    ap.suffer(T0 + 70_500, &Incident::Reset(mac(0)));
    assert_eq!(record(&mut ap, T0 + 70_500)["wakeupReason"], 0xFC);
    upload(&mut ap, T0 + 71_000, BLACK);
    ap.tick(T0 + 80_000);
    assert_eq!(truth(&ap).shown, all(0));
}

#[test]
fn a_restart_loses_what_waits_and_a_lost_table_its_labels_until_they_ask() {
    let mut ap = access_point(1, Nature { checkin_ms: 60_000, ..Nature::default() });
    upload(&mut ap, T0, WHITE);
    assert_eq!(record(&mut ap, T0 + 2_000)["pending"], 1);
    let outputs = ap.suffer(T0 + 2_000, &Incident::Restart);
    assert!(outputs.contains(&Output::HangUp));
    assert_eq!(record(&mut ap, T0 + 2_000)["pending"], 0);
    ap.suffer(T0 + 2_000, &Incident::TableLost);
    assert_eq!(record(&mut ap, T0 + 2_000), Value::Null);
    assert_eq!(upload(&mut ap, T0 + 2_000, WHITE), Reply::Answer(400, b"mac not found".to_vec()));
    assert_eq!(record(&mut ap, T0 + 60_000)["pending"], 0, "it is back");
}

#[test]
fn a_full_disk_takes_a_file_and_keeps_nothing() {
    let mut ap = access_point(1, Nature { free_bytes: 10, checkin_ms: 1_000, ..Nature::default() });
    assert_eq!(upload(&mut ap, T0, WHITE), saved());
    ap.tick(T0 + 10_000);
    assert_eq!(truth(&ap).shown, None);
}

#[test]
fn uploads_go_wrong_as_often_as_they_are_told_to() {
    let count = |nature: Nature, what: fn(&Reply) -> bool| {
        let mut ap = access_point(1, nature);
        (0..1000).filter(|number| what(&upload(&mut ap, T0 + number, WHITE))).count()
    };
    let some = 150..250;
    assert!(some.contains(&count(Nature { later: 0.2, ..Nature::default() }, |reply| {
        *reply == Reply::Answer(409, b"Come back later".to_vec())
    })));
    assert!(some.contains(&count(Nature { empty: 0.2, ..Nature::default() }, |reply| {
        *reply == Reply::Answer(200, Vec::new())
    })));
    assert!(
        some.contains(&count(Nature { broken: 0.2, ..Nature::default() }, |reply| {
            *reply == Reply::Break
        }))
    );
    let mut ap = access_point(1, Nature { checkin_ms: 1_000, unfetched: 1.0, ..Nature::default() });
    upload(&mut ap, T0, WHITE);
    ap.tick(T0 + 10_000);
    assert_eq!((truth(&ap).shown, &record(&mut ap, T0 + 10_000)["pending"]), (None, &json!(0)));
}
