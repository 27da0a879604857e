//! One reading in line protocol.

use influxdb2::models::{DataPoint, WriteDataPoint as _};

/// One line of line protocol, with the time in nanoseconds; none for a value that is not finite or a
/// time outside the years 1677 to 2262, which the protocol cannot say.
pub fn line(tags: &[(&str, &str)], value: f64, at_ms: i64) -> Option<String> {
    let at_ns = at_ms.checked_mul(1_000_000).filter(|_| value.is_finite())?;
    let mut point = DataPoint::builder("reading").field("value", value).timestamp(at_ns);
    // A tag without a value is not allowed, and means the same as none.
    for (key, tag) in tags.iter().filter(|(_, tag)| !tag.is_empty()) {
        // A backslash is not escaped by the protocol, so that one at the end would escape what
        // follows: it becomes a slash. A line break, which it has no escape for, becomes a space.
        point = point.tag(*key, tag.replace('\\', "/").replace(['\n', '\r'], " "));
    }
    let mut line = Vec::new();
    point.build().ok()?.write_data_point_to(&mut line).ok()?;
    String::from_utf8(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_protocol_is_escaped() {
        // Written by hand from the line protocol reference.
        let of = |tags: &[(&str, &str)], value, at_ms| line(tags, value, at_ms);
        assert_eq!(
            of(&[("device", "a,b=c d\\"), ("unit", "")], -18.5, 1_790_000_000_123).unwrap(),
            "reading,device=a\\,b\\=c\\ d/ value=-18.5 1790000000123000000\n"
        );
        assert_eq!(of(&[("device", "冷柜\n2")], 3.0, 0).unwrap(), "reading,device=冷柜\\ 2 value=3 0\n");
        assert_eq!(of(&[], f64::NAN, 0), None);
        assert_eq!(of(&[], 1.0, i64::MAX), None);
    }
}
