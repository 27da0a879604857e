//! What a message says: any bytes to text or sample, and values to the text of a command.

use crate::profile::{Source, Topic};
use serde_json::Value;
use std::borrow::Cow;
use storewarden_rules::{BadReason, Sample};

/// A message's payload, taken apart once for all the points it carries. What is no JSON is one text
/// without the white space around it: `ON`, `online`.
#[derive(Debug)]
pub struct Payload(Value);

impl Payload {
    /// Takes any bytes; what is neither JSON nor UTF-8 holds nothing.
    pub fn parse(bytes: &[u8]) -> Self {
        Self(serde_json::from_slice(bytes).unwrap_or_else(|_| {
            std::str::from_utf8(bytes).map_or(Value::Null, |text| Value::String(text.trim().to_owned()))
        }))
    }

    /// The text at `path`; at any path the whole payload if that is no JSON object. For availability,
    /// which comes as a bare word or as JSON, by the version of the firmware.
    pub fn text(&self, path: &str) -> Option<Cow<'_, str>> {
        let whole = if self.0.is_object() { self.at(path)? } else { &self.0 };
        match whole {
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Bool(_) | Value::Number(_) => Some(Cow::Owned(whole.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// What it says about a point. Nothing at the path, a text that stands for nothing, or another text
    /// than expected is [`BadReason::Garbled`]; JSON's `null` is [`BadReason::SensorFault`]. Whether the
    /// value can be is [`crate::profile::Point::plausible`]'s.
    pub fn sample(&self, topic: &Topic, source: &Source) -> Sample {
        let garbled = Sample::Bad(BadReason::Garbled);
        if let Some((path, text)) = &source.expect
            && self.at(path).and_then(Value::as_str) != Some(text)
        {
            return garbled;
        }
        let meant = |said: &str| topic.texts.iter().find(|(text, _)| text == said).map(|(_, value)| *value);
        let raw = match self.at(&source.path) {
            Some(Value::Null) => return Sample::Bad(BadReason::SensorFault),
            Some(Value::String(text)) => match meant(text) {
                Some(value) => return Sample::Good(value),
                None => text.parse().ok(),
            },
            Some(Value::Bool(flag)) => match meant(if *flag { "true" } else { "false" }) {
                Some(value) => return Sample::Good(value),
                None => Some(f64::from(u8::from(*flag))),
            },
            Some(Value::Number(number)) => match meant(&number.to_string()) {
                Some(value) => return Sample::Good(value),
                None => number.as_f64(),
            },
            Some(Value::Array(_) | Value::Object(_)) | None => None,
        };
        let value = raw.map(|raw: f64| raw * topic.scale + topic.offset);
        value.filter(|value| value.is_finite()).map_or(garbled, Sample::Good)
    }

    fn at(&self, path: &str) -> Option<&Value> {
        if path.is_empty() {
            return Some(&self.0);
        }
        path.split('.').try_fold(&self.0, |value, key| match value {
            Value::Object(fields) => fields.get(key),
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

/// The text of `value` in a command: the word that stands for it, else its raw number to six decimals.
/// 0.3 in tenths is 3: a device that is told 2.9999999999999996 may cut it to 2.
pub fn text_of(topic: &Topic, words: &[(String, f64)], value: f64) -> String {
    let words = if words.is_empty() { &topic.texts } else { words };
    match words.iter().find(|(_, meant)| *meant == value) {
        Some((word, _)) => word.clone(),
        None => ((((value - topic.offset) / topic.scale) * 1e6).round() / 1e6).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::built_in_ids;
    use proptest::prelude::*;

    fn topic(texts: &[(&str, f64)], scale: f64) -> Topic {
        let texts = texts.iter().map(|(text, value)| ((*text).to_owned(), *value)).collect();
        Topic { from: Vec::new(), texts, scale, offset: 0.0, write: None }
    }

    fn source(path: &str) -> Source {
        Source { topic: "t".into(), path: path.into(), expect: None }
    }

    #[test]
    fn values_are_found_in_words_numbers_flags_and_json() {
        let on_off = topic(&[("ON", 1.0), ("OFF", 0.0)], 1.0);
        let number = topic(&[], 0.5);
        let garbled = Sample::Bad(BadReason::Garbled);
        let cases = [
            (&on_off, "", "ON", Sample::Good(1.0)),
            (&on_off, "", " OFF\n", Sample::Good(0.0)),
            (&on_off, "", "AN", garbled),
            (&on_off, "POWER", r#"{"POWER":"OFF"}"#, Sample::Good(0.0)),
            (&on_off, "POWER", r#"{"POWER1":"OFF"}"#, garbled),
            (&on_off, "POWER", "OFF", garbled),
            (&number, "", "-7", Sample::Good(-3.5)),
            (&number, "", "warm", garbled),
            (&number, "", "", garbled),
            (&number, "", "NaN", garbled),
            (&number, "", "1e999", garbled),
            (&number, "a.b", r#"{"a":{"b":" 3"}}"#, garbled),
            (&number, "a.b", r#"{"a":{"b":"3"}}"#, Sample::Good(1.5)),
            (&number, "a.1", r#"{"a":[1,4]}"#, Sample::Good(2.0)),
            (&number, "a.2", r#"{"a":[1,4]}"#, garbled),
            (&number, "a", r#"{"a":[1,4]}"#, garbled),
            (&number, "a", r#"{"a":true}"#, Sample::Good(0.5)),
            (&number, "a", r#"{"a":null}"#, Sample::Bad(BadReason::SensorFault)),
            (&number, "a", r#"{"a":1"#, garbled),
        ];
        for (topic, path, payload, expected) in cases {
            let sample = Payload::parse(payload.as_bytes()).sample(topic, &source(path));
            assert_eq!(sample, expected, "{path:?} of {payload:?}");
        }
    }

    #[test]
    fn a_value_in_another_unit_than_expected_is_refused() {
        let mut source = source("DS18B20.Temperature");
        source.expect = Some(("TempUnit".into(), "C".into()));
        let sample = |text: &str| Payload::parse(text.as_bytes()).sample(&topic(&[], 1.0), &source);
        assert_eq!(sample(r#"{"DS18B20":{"Temperature":3.5},"TempUnit":"C"}"#), Sample::Good(3.5));
        let garbled = Sample::Bad(BadReason::Garbled);
        assert_eq!(sample(r#"{"DS18B20":{"Temperature":38.3},"TempUnit":"F"}"#), garbled);
        assert_eq!(sample(r#"{"DS18B20":{"Temperature":38.3}}"#), garbled);
    }

    #[test]
    fn availability_is_a_bare_word_or_json() {
        let text = |payload: &str| Payload::parse(payload.as_bytes()).text("state").map(Cow::into_owned);
        assert_eq!(text("online").as_deref(), Some("online"));
        assert_eq!(text(r#"{"state":"offline"}"#).as_deref(), Some("offline"));
        assert_eq!(text("true").as_deref(), Some("true"));
        assert_eq!(text("{}"), None);
    }

    #[test]
    fn a_command_says_the_word_or_the_number() {
        let on_off = topic(&[("OFF", 0.0), ("ON", 1.0)], 1.0);
        assert_eq!(text_of(&on_off, &[], 1.0), "ON");
        assert_eq!(text_of(&on_off, &[("off".into(), 0.0), ("on".into(), 1.0)], 0.0), "off");
        assert_eq!(text_of(&topic(&[], 0.5), &[], 10.75), "21.5");
        assert_eq!(text_of(&topic(&[], 0.1), &[], 0.3), "3");
        assert_eq!(text_of(&topic(&[], 1.0), &[], -18.5), "-18.5");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_what_is_good_is_finite(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                r#"[\[\]{}":,a.0-9eE\-+ntrufls ]{0,80}"#.prop_map(String::into_bytes),
            ],
            path in "[a-c0-2.]{0,5}",
        ) {
            let payload = Payload::parse(&bytes);
            let _ = payload.text(&path);
            let mut sources = vec![(topic(&[("a", 1.0)], 1e300), source(&path))];
            for id in built_in_ids() {
                let profile = crate::profile::built_in(id).unwrap();
                for topic in profile.mqtt().iter().flat_map(|mqtt| &mqtt.topics) {
                    sources.extend(topic.from.iter().map(|source| (topic.clone(), source.clone())));
                }
            }
            for (topic, source) in &sources {
                if let Sample::Good(value) = payload.sample(topic, source) {
                    prop_assert!(value.is_finite());
                }
            }
        }
    }
}
