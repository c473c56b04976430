//! Numbers in bytes, as RESP writes them.

/// The longest line that a number stands on; no number is longer.
const NUMBER: usize = 32;

/// Why a line holds no number.
#[derive(Debug)]
pub enum BadNumber {
    /// It is something else.
    Invalid,
    /// It does not end.
    Endless,
}

impl BadNumber {
    pub fn or<T>(self, invalid: T, endless: T) -> T {
        match self {
            Self::Invalid => invalid,
            Self::Endless => endless,
        }
    }
}

/// The number on the line that begins at `start`, and where the next line begins; `None`, if the line is not complete.
pub fn number(input: &[u8], start: usize) -> Result<Option<(i64, usize)>, BadNumber> {
    let line = input.get(start..).unwrap_or_default();
    // Nearly all of them: commands have few arguments, and those are short.
    if let [digit @ b'0'..=b'9', b'\r', b'\n', ..] = line {
        return Ok(Some((i64::from(digit - b'0'), start + 3)));
    }
    let digits = line.iter().take(NUMBER).position(|byte| !byte.is_ascii_digit() && *byte != b'-');
    let Some(digits) = digits else {
        return if line.len() < NUMBER { Ok(None) } else { Err(BadNumber::Endless) };
    };
    match line[digits..] {
        [b'\r'] => Ok(None),
        [b'\r', b'\n', ..] => {
            let number = integer(&line[..digits]).ok_or(BadNumber::Invalid)?;
            Ok(Some((number, start + digits + 2)))
        }
        _ => Err(BadNumber::Invalid),
    }
}

/// A number as Redis writes and reads it: no plus sign, no zeros in front.
pub fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] if digits.len() == text.len() => Some(0),
        [b'1'..=b'9', ..] => {
            let is_negative = digits.len() < text.len();
            digits.iter().try_fold(0_i64, |sum, digit| {
                let digit = i64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
                let sum = sum.checked_mul(10)?;
                if is_negative { sum.checked_sub(digit) } else { sum.checked_add(digit) }
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_redis_takes_for_numbers() {
        for (text, number) in
            [("0", 0), ("7", 7), ("-1", -1), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)]
        {
            assert_eq!(integer(text.as_bytes()), Some(number));
        }
        for text in ["", "-", "-0", "00", "+1", "1.0", " 1", "1 ", "9223372036854775808", "-9223372036854775809"] {
            assert_eq!(integer(text.as_bytes()), None, "{text:?}");
        }
    }
}
