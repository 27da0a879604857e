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
}

/// One entry of `taskESL2`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Task {
    pub tag: String,
    pub pattern: Pattern,
    pub page: u8,
    pub token: u16,
    /// The image file, unpacked.
    pub image: Vec<u8>,
}

/// An image unpacked is not larger than this, bytes; the largest label as BGRA32 is 1.5 MB.
const IMAGE_MAX: u64 = 4_000_000;

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
        // 4 changes the key: a mistake there loses the label for good, and no driver sends it yet.
        _ => return None,
    };
    // R, G, B of the lamp must be flags, the two keys text, even if this access point needs neither.
    for flag in 3..=5 {
        fields.get(flag)?.as_bool()?;
    }
    word(6)?;
    for key in 8..=9 {
        fields.get(key)?.as_str()?;
    }
    let Value::Binary(bytes) = fields.get(10)? else { return None };
    let image = if fields.get(11)?.as_bool()? { unpack(bytes)? } else { bytes.clone() };
    let page = byte(2).filter(|page| *page < 8)?;
    Some(Task { tag: fields[0].as_str()?.to_owned(), pattern, page, token: word(7)?, image })
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

/// `infor`: who the access point is, said on every connect.
pub(super) fn infor(ap: &str, server: &str, heartbeat_s: u64) -> Vec<u8> {
    let (disk_mb, free_mb) = (512, 480);
    let (encrypt, auto_ip) = (false, true);
    pack(vec![
        ap.into(),
        "simulated".into(),
        "127.0.0.1".into(),
        "02:00:00:00:00:01".into(),
        5.into(),
        AP_VERSION.into(),
        MODULE_VERSION.into(),
        disk_mb.into(),
        free_mb.into(),
        server.into(),
        Value::Array(Vec::new()),
        encrypt.into(),
        auto_ip.into(),
        "127.0.0.1".into(),
        "255.0.0.0".into(),
        "127.0.0.1".into(),
        heartbeat_s.into(),
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

    /// Bytes from Python's msgpack 1.2.4: `msgpack.packb([["3A0001F2", 0, 0, False, False, False, 0,
    /// 7, "", "", b"\x89PNG", False], ["3A0001F2", 4, 0, False, False, False, 0, 8, "", "", b"", False]])`
    #[test]
    fn a_task_list_packed_by_python_is_read_and_a_bad_entry_is_told() {
        let payload = bytes(concat!(
            "929ca83341303030314632",
            "0000c2c2c20007a0a0c40489504e47c2",
            "9ca83341303030314632",
            "0400c2c2c20008a0a0c400c2",
        ));
        let tasks = decode_tasks(&payload).expect("a list");
        assert_eq!(
            tasks,
            [
                Some(Task {
                    tag: "3A0001F2".into(),
                    pattern: Pattern::Display,
                    page: 0,
                    token: 7,
                    image: b"\x89PNG".to_vec(),
                }),
                None,
            ]
        );
        assert_eq!(decode_tasks(&payload[..payload.len() - 1]), None);
        assert_eq!(decode_tasks(b"\x07"), None);
    }

    proptest! {
        #[test]
        fn any_payload_is_read_or_refused(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_tasks(&payload);
        }
    }
}
