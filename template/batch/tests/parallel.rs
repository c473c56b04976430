//! In parallel and one after the other it comes to the same: the same report, or the same error.

use std::{io::Read, sync::Arc};

use batch::{Entry, Error, Piece, Pieces, Rules, Source, Total, parallel, serial};
use proptest::{collection::vec, prelude::*, sample::select};

/// A line of a dump: mostly good ones, with keys that share prefixes.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let prefix = select(vec!["", "a:", "b:", "c:", "ключ:"]);
    let end = select(vec!["\n", "\r\n", "\n\n", " \n"]);
    let good = (prefix, "[a-d]{1,3}", "[x-z]{0,40}", end).prop_map(|(prefix, key, value, end)| {
        format!(r#"{{"key":"{prefix}{key}","value":"{value}"}}{end}"#).into_bytes()
    });
    let bad = select(vec![&b"bad\n"[..], b"{\"key\":\"\",\"value\":\"\"}\n", b"\xff\n", b"{\"key\"", b"\0"]);
    prop_oneof![60 => good, 1 => bad.prop_map(<[u8]>::to_vec)]
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    (any::<bool>(), vec(line(), 0..40)).prop_map(|(has_mark, lines)| {
        let mark: &[u8] = if has_mark { b"\xef\xbb\xbf" } else { b"" };
        [mark, &lines.concat()].concat()
    })
}

fn pieces(
    inputs: &[Vec<u8>],
    piece_bytes: usize,
    rules: &Rules,
) -> impl Iterator<Item = Result<Piece, Error>> + Send + use<> {
    let sources = inputs.iter().enumerate().map(|(index, bytes)| {
        let bytes: Box<dyn Read + Send> = Box::new(std::io::Cursor::new(bytes.clone()));
        Source { name: Arc::from(format!("{index}.jsonl")), bytes: Ok(bytes) }
    });
    Pieces::new(sources.collect::<Vec<_>>().into_iter(), rules.max_line_bytes).of_bytes(piece_bytes)
}

fn told(total: Result<Total, Error>) -> Result<String, String> {
    let json = total.and_then(|total| total.report().to_json()).map_err(|error| error.to_string())?;
    String::from_utf8(json).map_err(|error| error.to_string())
}

/// Where the first bad line is, by looking at one line after the other.
fn first_bad(inputs: &[Vec<u8>], rules: &Rules) -> Option<String> {
    let mut prefixes = std::collections::HashSet::new();
    for (index, input) in inputs.iter().enumerate() {
        let input = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
        for (line, text) in input.split(|byte| *byte == b'\n').enumerate() {
            let is_good = text.len() <= rules.max_line_bytes
                && (text.trim_ascii().is_empty()
                    || Entry::read(text).is_ok_and(|entry| {
                        let prefix = entry.key.split_once(&rules.separator).map(|(prefix, _)| prefix.to_owned());
                        prefixes.insert(prefix);
                        prefixes.len() <= rules.max_prefixes
                    }));
            if !is_good {
                return Some(format!("{index}.jsonl:{}: ", line + 1));
            }
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parallel_is_serial_however_the_input_is_cut(
        inputs in vec(input(), 0..4),
        piece_bytes in [4..300usize, 4..300],
        threads in 2..5usize,
        max_line_bytes in 40..120usize,
        max_prefixes in 2..8usize,
    ) {
        let rules = Rules { separator: ":".to_owned(), max_line_bytes, max_prefixes };
        let serial = told(serial::total(pieces(&inputs, piece_bytes[0], &rules), &rules));
        let parallel = told(parallel::total(pieces(&inputs, piece_bytes[1], &rules), &rules, threads));
        prop_assert_eq!(&serial, &parallel);
        match first_bad(&inputs, &rules) {
            Some(place) => prop_assert!(serial.is_err_and(|error| error.starts_with(&place)), "{}", place),
            None => prop_assert!(serial.is_ok()),
        }
    }
}
