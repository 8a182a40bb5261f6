//! Many records in one body: a JSON array, or one record a line.

/// The media type of one record a line.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// The records of an NDJSON body; empty lines are not records.
pub(super) fn lines(body: &[u8]) -> Vec<&[u8]> {
    body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).collect()
}

/// Whether a JSON body is an array.
pub(super) fn is_array(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'[')
}

/// The elements of a JSON array, not parsed themselves, so that each can be refused for itself.
///
/// Fails with what is wrong and where when the elements cannot be told apart.
pub(super) fn elements(body: &[u8]) -> Result<Vec<&[u8]>, String> {
    let start = body.iter().position(|byte| *byte == b'[').map_or(body.len(), |at| at + 1);
    let mut elements = Vec::new();
    let mut begin = start;
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        let Some(byte) = body.get(at) else {
            return Err(format!("the array is not closed at byte {at}"));
        };
        match byte {
            b'"' => at = end_of_string(body, at).ok_or_else(|| format!("the text at byte {at} is not closed"))?,
            b'[' | b'{' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b',' if depth == 0 => {
                push(&mut elements, body, begin, at)?;
                begin = at + 1;
            }
            b']' => break,
            b'}' => return Err(format!("unexpected `}}` at byte {at}")),
            _ => {}
        }
        at += 1;
    }
    let last_is_empty = body.get(begin..at).unwrap_or_default().trim_ascii().is_empty();
    if !(last_is_empty && elements.is_empty()) {
        push(&mut elements, body, begin, at)?;
    }
    match body.get(at + 1..).unwrap_or_default().trim_ascii() {
        [] => Ok(elements),
        _ => Err(format!("unexpected text after the array, at byte {}", at + 1)),
    }
}

fn push<'b>(elements: &mut Vec<&'b [u8]>, body: &'b [u8], begin: usize, end: usize) -> Result<(), String> {
    match body.get(begin..end).unwrap_or_default().trim_ascii() {
        [] => Err(format!("an element is missing at byte {end}")),
        element => {
            elements.push(element);
            Ok(())
        }
    }
}

/// Where the string that begins at `at` ends: at its closing quote.
fn end_of_string(body: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match body.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn splits(body: &str, expected: &[&str]) {
        let found = elements(body.as_bytes()).unwrap();
        let found: Vec<_> = found.into_iter().map(|element| std::str::from_utf8(element).unwrap()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_array_comes_apart_without_being_parsed() {
        splits("[]", &[]);
        splits(" [ ] ", &[]);
        splits(r#"[{"a":[1,{"b":2}]}, 3 ,"x,]\"}" ]"#, &[r#"{"a":[1,{"b":2}]}"#, "3", r#""x,]\"}""#]);
        splits(r#"[{"half": , {}]"#.replace(", {}", "}, {}").as_str(), &[r#"{"half": }"#, "{}"]);
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        for (body, why) in [
            ("[1,2", "the array is not closed at byte 4"),
            ("[\"1,2]", "the text at byte 1 is not closed"),
            ("[1,,2]", "an element is missing at byte 3"),
            ("[1,]", "an element is missing at byte 3"),
            ("[1}", "unexpected `}` at byte 2"),
            ("[1] 2", "unexpected text after the array, at byte 3"),
        ] {
            assert_eq!(elements(body.as_bytes()).unwrap_err(), why, "{body}");
        }
    }

    #[test]
    fn lines_are_records() {
        let expected: Vec<&[u8]> = vec![b"{}", b"{\"a\":1}", b"x"];
        assert_eq!(lines(b"{}\r\n\n  {\"a\":1}\nx"), expected);
    }
}
