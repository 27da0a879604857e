//! The access point's side of the vendor's MessagePack arrays.

use flate2::read::GzDecoder;
use rmpv::Value;
use std::io::Read;

/// What to do with an image or a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// 0: keep the image and show it.
    Display,
    /// 1: keep the image for later.
    Store,
    /// 2: show the page kept before.
    Flip,
    /// 3: blink.
    Led,
    /// 4: take another key.
    Key,
}

/// One entry of `taskESL2`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Task {
    pub tag: String,
    pub pattern: Pattern,
    pub page: u8,
    /// How often the lamp blinks.
    pub times: u16,
    pub token: u16,
    /// The label's key: 22 hex digits, or empty.
    pub key: String,
    /// The key it is to have from now on.
    pub new_key: String,
    /// The image file, unpacked.
    pub image: Vec<u8>,
    /// Its length as it was sent, bytes.
    pub sent_bytes: u64,
}

/// An image unpacked is not larger than this, bytes; the largest label as BGRA32 is 1.5 MB.
const IMAGE_MAX: u64 = 4_000_000;

/// Pages from here on are small: at most so many bytes as sent.
const SMALL_PAGE: u8 = 4;
const SMALL_PAGE_BYTES: usize = 32 * 1024;
const PAGES: u8 = 8;
/// Hex digits of a label's key.
const KEY_DIGITS: usize = 22;

/// The tasks of a payload; `None` stands for an entry that is none. An outer `None`: no list at all.
pub(super) fn decode_tasks(payload: &[u8]) -> Option<Vec<Option<Task>>> {
    let mut rest = payload;
    let value = rmpv::decode::read_value(&mut rest).ok()?;
    if !rest.is_empty() {
        return None;
    }
    Some(value.as_array()?.iter().map(decode_task).collect())
}

fn decode_task(value: &Value) -> Option<Task> {
    let fields = value.as_array()?;
    let byte = |index: usize| u8::try_from(fields.get(index)?.as_u64()?).ok();
    let word = |index: usize| u16::try_from(fields.get(index)?.as_u64()?).ok();
    let pattern = match byte(1)? {
        0 => Pattern::Display,
        1 => Pattern::Store,
        2 => Pattern::Flip,
        3 => Pattern::Led,
        4 => Pattern::Key,
        _ => return None,
    };
    // R, G, B of the lamp must be flags, even where no lamp is asked for.
    for flag in 3..=5 {
        fields.get(flag)?.as_bool()?;
    }
    let key = |index: usize| {
        let key = fields.get(index)?.as_str()?;
        let is_key = key.len() == KEY_DIGITS && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        (key.is_empty() || is_key).then(|| key.to_owned())
    };
    let Value::Binary(bytes) = fields.get(10)? else { return None };
    let page = byte(2).filter(|page| *page < PAGES)?;
    let new_key = key(9)?;
    let carries_image = matches!(pattern, Pattern::Display | Pattern::Store);
    let is_too_large = carries_image && page >= SMALL_PAGE && bytes.len() > SMALL_PAGE_BYTES;
    if is_too_large || (pattern == Pattern::Key && new_key.is_empty()) {
        return None;
    }
    let image = if fields.get(11)?.as_bool()? && carries_image { unpack(bytes)? } else { bytes.clone() };
    Some(Task {
        tag: fields[0].as_str()?.to_owned(),
        pattern,
        page,
        times: word(6)?,
        token: word(7)?,
        key: key(8)?,
        new_key,
        image,
        sent_bytes: bytes.len() as u64,
    })
}

fn unpack(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut image = Vec::new();
    GzDecoder::new(bytes).take(IMAGE_MAX + 1).read_to_end(&mut image).ok()?;
    (image.len() as u64 <= IMAGE_MAX).then_some(image)
}

/// What one label said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TagRecord {
    pub tag: String,
    /// Field strength, dBm; −256 for "no answer".
    pub rf_dbm: i32,
    /// In 0.1 V.
    pub battery: u8,
    pub status: u8,
    pub token: u16,
    pub temperature_c: i8,
    /// Seconds since 1970.
    pub utc_s: u64,
    pub count: u32,
}

impl TagRecord {
    fn fields(&self) -> Vec<Value> {
        let (version, channel, time_percent) = (18, 1, 12);
        vec![
            self.tag.as_str().into(),
            self.rf_dbm.into(),
            self.battery.into(),
            version.into(),
            self.status.into(),
            self.token.into(),
            self.temperature_c.into(),
            channel.into(),
            self.utc_s.into(),
            time_percent.into(),
            self.count.into(),
        ]
    }
}

/// `result`: what became of tasks.
pub(super) fn result(waiting: usize, sending: usize, records: &[TagRecord]) -> Vec<u8> {
    let records = records.iter().map(|record| Value::Array(record.fields())).collect();
    let (port, message) = (0, 0);
    pack(vec![port.into(), waiting.into(), sending.into(), message.into(), Value::Array(records)])
}

/// `message`: one code.
pub(super) fn message(code: u8) -> Vec<u8> {
    pack(vec![code.into()])
}

/// `heartbeat`; `records` are the labels heard from.
pub(super) fn heartbeat(ap: &str, waiting: usize, sending: usize, records: &[TagRecord]) -> Vec<u8> {
    let (config_version, message, message_extension) = (1, 3, 0);
    let record = |record: &TagRecord| {
        let mut fields = record.fields();
        let (factory, colour, size, kind) = (0, 2, 266, 0);
        fields.extend([factory, colour, size, kind].map(Value::from));
        Value::Array(fields)
    };
    pack(vec![
        ap.into(),
        config_version.into(),
        AP_VERSION.into(),
        MODULE_VERSION.into(),
        message.into(),
        message_extension.into(),
        waiting.into(),
        sending.into(),
        Value::Array(records.iter().map(record).collect()),
    ])
}

/// Who the access point is.
pub(super) struct Infor<'a> {
    pub ap: &'a str,
    pub disk_mb: u64,
    pub free_mb: u64,
    /// `host:port` of its broker.
    pub server: &'a str,
    pub heartbeat_s: u64,
}

/// `infor`: who the access point is, said on every connect.
pub(super) fn infor(infor: &Infor<'_>) -> Vec<u8> {
    let (encrypt, auto_ip) = (false, true);
    pack(vec![
        infor.ap.into(),
        "simulated".into(),
        "127.0.0.1".into(),
        "02:00:00:00:00:01".into(),
        5.into(),
        AP_VERSION.into(),
        MODULE_VERSION.into(),
        infor.disk_mb.into(),
        infor.free_mb.into(),
        infor.server.into(),
        Value::Array(Vec::new()),
        encrypt.into(),
        auto_ip.into(),
        "127.0.0.1".into(),
        "255.0.0.0".into(),
        "127.0.0.1".into(),
        infor.heartbeat_s.into(),
    ])
}

const AP_VERSION: &str = "1.0.16";
const MODULE_VERSION: &str = "1.0.3";

fn pack(fields: Vec<Value>) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &Value::Array(fields)).expect("memory takes every write");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2);
        digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).expect("text"), 16).expect("hex")).collect()
    }

    /// Expected bytes from Python's msgpack 1.2.4:
    /// `msgpack.packb([0, 1, 0, 0, [["3A0001F2", -58, 30, 18, 0, 7, 22, 1, 1790000000, 12, 5]]])`
    #[test]
    fn a_result_is_packed_as_python_packs_it() {
        let record = TagRecord {
            tag: "3A0001F2".into(),
            rf_dbm: -58,
            battery: 30,
            status: 0,
            token: 7,
            temperature_c: 22,
            utc_s: 1_790_000_000,
            count: 5,
        };
        let golden = "9500010000919ba83341303030314632d0c61e1200071601ce6ab13b800c05";
        assert_eq!(result(1, 0, std::slice::from_ref(&record)), bytes(golden));
        // The same with rf -256 and status 0xF1, which need wider integers.
        let failed = TagRecord { rf_dbm: -256, status: 0xF1, ..record };
        let golden = "9500010000919ba83341303030314632d1ff001e12ccf1071601ce6ab13b800c05";
        assert_eq!(result(1, 0, &[failed]), bytes(golden));
        // msgpack.packb([7])
        assert_eq!(message(7), bytes("9107"));
    }

    /// `msgpack.packb` of Python's msgpack 1.2.4, with `key = "00112233445566778899AA"`, of a list of
    /// `["3A0001F2", 0, 0, False, False, False, 0, 7, "", "", b"\x89PNG", False]`,
    /// `["3A0001F2", 1, 5, False, False, False, 0, 8, key, "", b"\x89PNG", False]`,
    /// `["3A0001F2", 2, 5, False, False, False, 0, 9, key, "", b"", False]`,
    /// `["3A0001F2", 3, 0, True, False, True, 300, 10, "", "", b"", False]`,
    /// `["3A0001F2", 4, 0, False, False, False, 0, 65535, "", key, b"", False]`,
    /// `["3A0001F2", 5, 0, False, False, False, 0, 11, "", "", b"", False]`.
    const TASKS: &str = concat!(
        "969ca833413030303146320000c2c2c20007a0a0c40489504e47c29ca833413030303146320105c2c2c20008",
        "b630303131323233333434353536363737383839394141a0c40489504e47c29ca833413030303146320205c2",
        "c2c20009b630303131323233333434353536363737383839394141a0c400c29ca833413030303146320300c3",
        "c2c3cd012c0aa0a0c400c29ca833413030303146320400c2c2c200cdffffa0b6303031313232333334343535",
        "36363737383839394141c400c29ca833413030303146320500c2c2c2000ba0a0c400c2",
    );
    /// As above, of `["3A0001F2", 0, 7, False, False, False, 0, 300, "", "",
    /// gzip.compress(b"\x89PNG", mtime=0), True]`.
    const GZIPPED: &str = concat!(
        "919ca833413030303146320007c2c2c200cd012ca0a0c4181f8b0800000000000203eb0cf0730700a5beeb5b",
        "04000000c3",
    );

    #[test]
    fn every_pattern_packed_by_python_is_read_and_a_bad_entry_is_told() {
        let payload = bytes(TASKS);
        let key = "00112233445566778899AA";
        let plain = |pattern, page, token| Task {
            tag: "3A0001F2".into(),
            pattern,
            page,
            times: 0,
            token,
            key: String::new(),
            new_key: String::new(),
            image: Vec::new(),
            sent_bytes: 0,
        };
        let image = |task| Task { image: b"\x89PNG".to_vec(), sent_bytes: 4, ..task };
        let tasks = decode_tasks(&payload).expect("a list");
        assert_eq!(
            tasks,
            [
                Some(image(plain(Pattern::Display, 0, 7))),
                Some(image(Task { key: key.into(), ..plain(Pattern::Store, 5, 8) })),
                Some(Task { key: key.into(), ..plain(Pattern::Flip, 5, 9) }),
                Some(Task { times: 300, ..plain(Pattern::Led, 0, 10) }),
                Some(Task { new_key: key.into(), ..plain(Pattern::Key, 0, 65_535) }),
                None,
            ]
        );
        let gzipped = Task { sent_bytes: 24, ..image(plain(Pattern::Display, 7, 300)) };
        assert_eq!(decode_tasks(&bytes(GZIPPED)), Some(vec![Some(gzipped)]));
        assert_eq!(decode_tasks(&payload[..payload.len() - 1]), None);
        assert_eq!(decode_tasks(b"\x07"), None);
    }

    #[test]
    fn a_task_that_breaks_a_rule_of_the_manual_is_none() {
        let entry = |pattern: u8, page: u8, key: &str, new_key: &str, image: usize| {
            let (off, image) = (Value::from(false), Value::Binary(vec![0; image]));
            let fields = vec![
                "3A0001F2".into(),
                pattern.into(),
                page.into(),
                off.clone(),
                off.clone(),
                off.clone(),
                0.into(),
                1.into(),
                key.into(),
                new_key.into(),
                image,
                off,
            ];
            decode_task(&Value::Array(fields)).is_some()
        };
        let key = "00112233445566778899AA";
        assert!(entry(1, 3, "", "", 32 * 1024 + 1) && entry(1, 4, key, "", 32 * 1024));
        assert!(!entry(1, 4, "", "", 32 * 1024 + 1), "too large for pages from 4 on");
        assert!(!entry(0, 8, "", "", 10), "no such page");
        assert!(entry(4, 0, "", key, 0) && !entry(4, 0, key, "", 0), "no key to change to");
        assert!(!entry(0, 0, "short", "", 10) && !entry(0, 0, &"g".repeat(22), "", 10), "no keys");
    }

    /// `msgpack.packb` of Python's msgpack 1.2.4 of `["0001", 1, "1.0.16", "1.0.3", 3, 0, 2, 1,
    /// [["3A0001F2", -58, 30, 18, 0, 7, 22, 1, 1790000000, 12, 5, 0, 2, 266, 0]]]` and of
    /// `["0001", "simulated", "127.0.0.1", "02:00:00:00:00:01", 5, "1.0.16", "1.0.3", 512, 480,
    /// "127.0.0.1:1883", [], False, True, "127.0.0.1", "255.0.0.0", "127.0.0.1", 15]`.
    #[test]
    fn heartbeat_and_infor_are_packed_as_python_packs_them() {
        let record = TagRecord {
            tag: "3A0001F2".into(),
            rf_dbm: -58,
            battery: 30,
            status: 0,
            token: 7,
            temperature_c: 22,
            utc_s: 1_790_000_000,
            count: 5,
        };
        let golden = concat!(
            "99a43030303101a6312e302e3136a5312e302e3303000201919fa83341303030314632d0c61e1200071601ce",
            "6ab13b800c050002cd010a00",
        );
        assert_eq!(heartbeat("0001", 2, 1, &[record]), bytes(golden));
        let infor_is =
            Infor { ap: "0001", disk_mb: 512, free_mb: 480, server: "127.0.0.1:1883", heartbeat_s: 15 };
        let golden = concat!(
            "dc0011a430303031a973696d756c61746564a93132372e302e302e31b130323a30303a30303a30303a30303a",
            "303105a6312e302e3136a5312e302e33cd0200cd01e0ae3132372e302e302e313a3138383390c2c3a9313237",
            "2e302e302e31a93235352e302e302e30a93132372e302e302e310f",
        );
        assert_eq!(infor(&infor_is), bytes(golden));
    }

    proptest! {
        #[test]
        fn any_payload_is_read_or_refused(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_tasks(&payload);
        }
    }
}
