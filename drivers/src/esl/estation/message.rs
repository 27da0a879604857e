//! The gateway's MessagePack arrays. Fields have positions, not names; newer firmware may add some
//! at the end, which are ignored.

use crate::esl::estation::task::{Action, Trouble};
use rmpv::Value;
use std::io::Cursor;

/// Messages nest three arrays; much deeper ones are refused before they fill the stack.
const DEPTH_MAX: usize = 16;
/// What `rf` says when nothing was heard of the label.
const RF_NONE_DBM: i32 = -256;
/// `status` of a label that was given the token of its last task again.
const TOKEN_SEEN: u8 = 0xF1;

/// Why a payload is not the message it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not MessagePack.
    #[error("{message}: not MessagePack ({what}); check the gateway's firmware")]
    Shape {
        /// Which message.
        message: &'static str,
        /// The decoder's word.
        what: String,
    },
    /// A field is absent or of another type.
    #[error("{message}: `{field}` at position {position} is not {expected}; check the gateway's firmware")]
    Field {
        /// Which message.
        message: &'static str,
        /// Which field.
        field: &'static str,
        /// Its position in the array, from 0.
        position: usize,
        /// What it should be.
        expected: &'static str,
    },
}

/// `infor`: what a gateway says of itself when it connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Infor {
    /// Its id.
    pub ap: String,
    /// Firmware version, where it is told as text.
    pub version: Option<String>,
    /// Free space for images, MB.
    pub free_mb: Option<i64>,
}

/// What became of some tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    /// How many tasks the gateway has not begun.
    pub waiting: usize,
    /// Of each label.
    pub labels: Vec<TagResult>,
}

/// What became of the task of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagResult {
    /// Tag id.
    pub label: String,
    /// Strength of its answer; −256 when there was none.
    pub rf_dbm: i32,
    /// Its battery. The manual gives no unit; the values fit tenths of a volt.
    pub battery_mv: Option<i32>,
    /// 0, or what went wrong.
    pub status: u8,
    /// Of the task this is about.
    pub token: u16,
    /// Temperature at the label.
    pub temperature_c: Option<i32>,
}

impl TagResult {
    /// Whether the label refused the task only because its last one had the same token.
    pub fn saw_token_before(&self) -> bool {
        self.rf_dbm != RF_NONE_DBM && self.status == TOKEN_SEEN
    }

    /// Why the task failed; none if the label did it. The manual calls `status` reserved; the meanings are
    /// those of the maker's demonstration program.
    pub fn failure(&self) -> Option<(Trouble, &'static str)> {
        Some(match self.status {
            _ if self.rf_dbm == RF_NONE_DBM => {
                (Trouble::NoAnswer, "the label does not answer; check its battery and place")
            }
            0xF0 => (Trouble::WrongKey, "the label has another key; bind it anew"),
            TOKEN_SEEN => (Trouble::NoResult, "the label has seen this token already"),
            0x01 => {
                (Trouble::Display, "the label's display module is not the one its id says; replace the label")
            }
            0x02 => (Trouble::Reset, "the label's controller restarted; check its battery"),
            0x03 => (Trouble::Display, "the display did not refresh; replace the label if it stays so"),
            _ => return None,
        })
    }
}

/// One entry of `taskESL2`.
pub fn task(label: &str, token: u16, action: &Action) -> Value {
    let no_image: &[u8] = &[];
    let (pattern, page, times, image) = match action {
        Action::Show { page, png } => (0, *page, 0, png.as_slice()),
        Action::Store { page, png } => (1, *page, 0, png.as_slice()),
        Action::Flip { page } => (2, *page, 0, no_image),
        Action::Blink { times } => (3, 0, *times, no_image),
    };
    let lit = || Value::Boolean(matches!(action, Action::Blink { .. }));
    let no_key = || Value::from("");
    Value::Array(vec![
        Value::from(label),
        Value::from(pattern),
        Value::from(page),
        lit(), // red
        lit(), // green
        lit(), // blue
        Value::from(times),
        Value::from(token),
        no_key(),
        no_key(),
        Value::Binary(image.to_vec()),
        Value::Boolean(false), // not gzipped: PNG is compressed already
    ])
}

/// The payload of `taskESL2` with these entries.
pub fn tasks(entries: Vec<Value>) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &Value::Array(entries)).expect("a vector takes every byte");
    bytes
}

/// Reads an `infor`.
pub fn infor(payload: &[u8]) -> Result<Infor, MessageError> {
    let value = decode("infor", payload)?;
    let array = Fields::of("infor", &value)?;
    Ok(Infor {
        ap: array.text(0, "id")?.to_owned(),
        version: array.get(5).and_then(Value::as_str).map(str::to_owned),
        free_mb: array.get(8).and_then(Value::as_i64),
    })
}

/// Reads the code of a `message`.
pub fn message(payload: &[u8]) -> Result<i64, MessageError> {
    Fields::of("message", &decode("message", payload)?)?.fitting(0, "code", "a whole number")
}

/// Reads a `result`: one entry per label heard of.
pub fn results(payload: &[u8]) -> Result<Results, MessageError> {
    let value = decode("result", payload)?;
    let fields = Fields::of("result", &value)?;
    let labels = fields.list(4, "results")?.iter().map(tag).collect::<Result<_, _>>()?;
    Ok(Results { waiting: fields.fitting(1, "waiting", "a number of tasks")?, labels })
}

/// Reads a `heartbeat`: the gateway's id. Its queue lengths and label records are not used: the
/// window keeps its queue short, and label records are old results.
pub fn heartbeat(payload: &[u8]) -> Result<String, MessageError> {
    let value = decode("heartbeat", payload)?;
    Ok(Fields::of("heartbeat", &value)?.text(0, "id")?.to_owned())
}

fn tag(value: &Value) -> Result<TagResult, MessageError> {
    let tag = Fields::of("result of a label", value)?;
    let decoration = |position| tag.get(position).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok());
    Ok(TagResult {
        label: tag.text(0, "tag id")?.to_owned(),
        rf_dbm: tag.fitting(1, "rf", "a whole number of dBm")?,
        battery_mv: decoration(2).and_then(|tenths| tenths.checked_mul(100)),
        status: tag.fitting(4, "status", "a number from 0 to 255")?,
        token: tag.fitting(5, "token", "a number from 0 to 65535")?,
        temperature_c: decoration(6),
    })
}

fn decode(message: &'static str, payload: &[u8]) -> Result<Value, MessageError> {
    rmpv::decode::read_value_with_max_depth(&mut Cursor::new(payload), DEPTH_MAX)
        .map_err(|error| MessageError::Shape { message, what: error.to_string() })
}

/// The fields of one array, with the names that errors need.
struct Fields<'a> {
    message: &'static str,
    values: &'a [Value],
}

impl<'a> Fields<'a> {
    fn of(message: &'static str, value: &'a Value) -> Result<Self, MessageError> {
        let Value::Array(values) = value else {
            return Err(MessageError::Shape { message, what: "not an array".into() });
        };
        Ok(Self { message, values })
    }

    fn get(&self, position: usize) -> Option<&Value> {
        self.values.get(position)
    }

    fn fault(&self, position: usize, field: &'static str, expected: &'static str) -> MessageError {
        MessageError::Field { message: self.message, field, position, expected }
    }

    fn text(&self, position: usize, field: &'static str) -> Result<&str, MessageError> {
        let text = self.get(position).and_then(Value::as_str);
        text.ok_or_else(|| self.fault(position, field, "text"))
    }

    fn fitting<N: TryFrom<i64>>(
        &self,
        position: usize,
        field: &'static str,
        expected: &'static str,
    ) -> Result<N, MessageError> {
        let number = self.get(position).and_then(Value::as_i64).and_then(|number| N::try_from(number).ok());
        number.ok_or_else(|| self.fault(position, field, expected))
    }

    fn list(&self, position: usize, field: &'static str) -> Result<&[Value], MessageError> {
        let list = self.get(position).and_then(Value::as_array);
        list.map(Vec::as_slice).ok_or_else(|| self.fault(position, field, "a list"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    // Every payload here is from Python msgpack 1.1, `msgpack.packb(…).hex()` of the expression above it.

    /// `[["54AB12CD3401",0,0,False,False,False,0,258,"","",b'\x89PNG\r\n\x1a\n',False]]`
    const TASK: &str = "919cac3534414231324344333430310000c2c2c200cd0102a0a0c40889504e470d0a1a0ac2";
    /// `[["54AB12CD3401",1,1,False,False,False,0,258,"","",b'\x89PNG\r\n\x1a\n',False]]`
    const STORE: &str = "919cac3534414231324344333430310101c2c2c200cd0102a0a0c40889504e470d0a1a0ac2";
    /// `[["54AB12CD3401",2,1,False,False,False,0,259,"","",b"",False],
    /// ["3F00000001A2",3,0,True,True,True,300,260,"","",b"",False]]`
    const FLIP_AND_BLINK: &str = "929cac3534414231324344333430310201c2c2c200cd0103a0a0c400c29cac3346303030303030303141320300c3c3c3cd012ccd0104a0a0c400c2";
    /// `["A1B2","shop","192.168.4.10","AA:BB:CC:DD:EE:FF",5,"1.2.3","2.0.1",7400,7000,
    /// "192.168.4.2:1883",["test","123456"],False,True,"","","",15]`
    const INFOR: &str = "dc0011a441314232a473686f70ac3139322e3136382e342e3130b141413a42423a43433a44443a45453a464605a5312e322e33a5322e302e31cd1ce8cd1b58b03139322e3136382e342e323a3138383392a474657374a6313233343536c2c3a0a0a00f";
    /// `[0,3,1,0,[["54AB12CD3401",-61,29,17,0,258,22,3,1790000000,40,5],
    /// ["3F00000001A2",-256,0,0,0,7,0,0,0,0,0]]]`
    const RESULT: &str = "9500030100929bac353441423132434433343031d0c31d1100cd01021603ce6ab13b8028059bac334630303030303030314132d1ff00000000070000000000";
    /// `["A1B2",1,"1.2.3","2.0.1",0,0,12,2,[["54AB12CD3401",-61,29,17,0,258,22,3,1790000000,40,5,
    /// "f",2,"29",84]]]`
    const HEARTBEAT: &str = "99a44131423201a5312e322e33a5322e302e3100000c02919fac353441423132434433343031d0c31d1100cd01021603ce6ab13b802805a16602a2323954";
    /// `[0,3,1,0,[["54AB12CD3401",-61,29,17,0,"x",22,3,1790000000,40,5]]]`
    const TOKEN_AS_TEXT: &str = "9500030100919bac353441423132434433343031d0c31d1100a1781603ce6ab13b802805";

    #[test]
    fn a_task_is_the_array_of_the_manual() {
        let png = bytes("89504e470d0a1a0a");
        let one = |action| tasks(vec![task("54AB12CD3401", 258, &action)]);
        assert_eq!(one(Action::Show { page: 0, png: png.clone() }), bytes(TASK));
        assert_eq!(one(Action::Store { page: 1, png }), bytes(STORE));
        let flip = task("54AB12CD3401", 259, &Action::Flip { page: 1 });
        let blink = task("3F00000001A2", 260, &Action::Blink { times: 300 });
        assert_eq!(tasks(vec![flip, blink]), bytes(FLIP_AND_BLINK));
    }

    #[test]
    fn what_the_gateway_says_is_read() {
        assert_eq!(
            infor(&bytes(INFOR)),
            Ok(Infor { ap: "A1B2".into(), version: Some("1.2.3".into()), free_mb: Some(7000) })
        );
        assert_eq!(heartbeat(&bytes(HEARTBEAT)).as_deref(), Ok("A1B2"));
        assert_eq!(message(&bytes("9107")), Ok(7)); // [7]
        let results = results(&bytes(RESULT)).unwrap();
        assert_eq!(results.waiting, 3);
        let [good, silent] = &results.labels[..] else { panic!("two labels") };
        assert_eq!(
            *good,
            TagResult {
                label: "54AB12CD3401".into(),
                rf_dbm: -61,
                battery_mv: Some(2900),
                status: 0,
                token: 258,
                temperature_c: Some(22),
            }
        );
        assert_eq!(good.failure(), None);
        assert!(silent.failure().unwrap().1.contains("does not answer"));
    }

    #[test]
    fn fields_that_are_new_at_the_end_are_ignored() {
        assert_eq!(message(&bytes("9307a3666f6fc0")), Ok(7)); // [7, "foo", None]
    }

    #[test]
    fn a_fault_names_message_field_and_position() {
        let fault = |error: MessageError| error.to_string();
        assert!(
            fault(results(&bytes(TOKEN_AS_TEXT)).unwrap_err())
                .starts_with("result of a label: `token` at position 5 is not a number from 0 to 65535")
        );
        assert!(fault(results(&bytes("9100")).unwrap_err()).contains("`results` at position 4"));
        assert!(fault(message(&bytes("07")).unwrap_err()).contains("not an array"));
        assert!(fault(message(&[]).unwrap_err()).contains("not MessagePack"));
    }

    #[test]
    fn every_status_of_the_demonstration_program_has_words() {
        let mut tag = results(&bytes(RESULT)).unwrap().labels.swap_remove(0);
        for status in [0xF0, 0xF1, 0x01, 0x02, 0x03] {
            tag.status = status;
            assert!(tag.failure().is_some(), "{status:#x}");
        }
    }

    proptest! {
        #[test]
        fn no_payload_is_a_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (infor(&payload), message(&payload), results(&payload), heartbeat(&payload));
        }
    }
}
