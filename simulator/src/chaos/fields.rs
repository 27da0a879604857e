//! Protobuf messages, read by a few lines of the rig's own.

use std::io;

/// A field of a protobuf message.
pub enum Field<'a> {
    /// Of any varint.
    Number(u64),
    /// Of text, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    /// Its number; 0 if it has none.
    pub fn number(&self) -> u64 {
        if let Self::Number(number) = self { *number } else { 0 }
    }

    /// Its bytes; none if it is a number.
    pub fn bytes(&self) -> &'a [u8] {
        if let Self::Bytes(bytes) = self { bytes } else { &[] }
    }
}

/// Number and content of each field of a message, but those of fixed width.
pub fn fields(mut rest: &[u8]) -> io::Result<Vec<(u64, Field<'_>)>> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let mut take = |length| {
            let (bytes, after) = rest.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
            rest = after;
            io::Result::Ok(bytes)
        };
        match key & 7 {
            0 => fields.push((key >> 3, Field::Number(varint(&mut rest)?))),
            1 => drop(take(8)?),
            5 => drop(take(4)?),
            2 => {
                let length = usize::try_from(varint(&mut rest)?).map_err(io::Error::other)?;
                let (bytes, after) = rest.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
                rest = after;
                fields.push((key >> 3, Field::Bytes(bytes)));
            }
            kind => return Err(io::Error::other(format!("a field of kind {kind}"))),
        }
    }
    Ok(fields)
}

/// The number that `rest` begins with, which is taken from it.
pub fn varint(rest: &mut &[u8]) -> io::Result<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or(io::ErrorKind::UnexpectedEof)?;
        *rest = after;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(io::Error::other("a number of more than 64 bits"))
}

/// The first field `id` of a message; as if it were 0 or empty if it is not there.
pub fn number_of(message: &[(u64, Field<'_>)], id: u64) -> u64 {
    message.iter().find(|(own, _)| *own == id).map_or(0, |(_, field)| field.number())
}

/// The same of text.
pub fn text_of(message: &[(u64, Field<'_>)], id: u64) -> String {
    let field = message.iter().find(|(own, _)| *own == id);
    field.map_or_else(String::new, |(_, field)| String::from_utf8_lossy(field.bytes()).into_owned())
}
