//! The syntax of an address in a header, with errors that point at the place (RFC 5322 section 3.4.1).

/// Checks that `text` is `local-part@domain`. The error shows the place; it ends with a line end.
pub(super) fn check_addr_spec(text: &str) -> Result<(), String> {
    let mut at = after_local_part(text).map_err(|(at, expected)| pointing(text, at, expected))?;
    at = skip_space(text, at);
    let rest = text.get(at..).unwrap_or_default();
    if !rest.starts_with('@') {
        return Err(pointing(text, at, "\"@\""));
    }
    let start = skip_space(text, at + 1);
    let end = after_domain(text, start);
    if end == start {
        return Err(pointing(text, start, "a domain"));
    }
    let end = skip_space(text, end);
    if end < text.len() { Err(pointing(text, end, "the end of the address")) } else { Ok(()) }
}

fn after_local_part(text: &str) -> Result<usize, (usize, &'static str)> {
    let start = skip_space(text, 0);
    let rest = text.get(start..).unwrap_or_default();
    if rest.starts_with('"') {
        let mut escaped = false;
        for (offset, c) in rest.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return Ok(start + offset + 1),
                _ => {}
            }
        }
        return Err((text.len(), "the closing quote"));
    }
    let end = rest.find(|c: char| !(is_atom(c) || c == '.')).map_or(text.len(), |offset| start + offset);
    if end == start { Err((start, "a local part")) } else { Ok(end) }
}

fn after_domain(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    if rest.starts_with('[') {
        return rest.find(']').map_or(start, |offset| start + offset + 1);
    }
    rest.find(|c: char| !(is_atom(c) || c == '.')).map_or(text.len(), |offset| start + offset)
}

/// `atext` (RFC 5322 section 3.2.3), and what is not ASCII (RFC 6532).
fn is_atom(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control())
}

fn skip_space(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + (rest.len() - rest.trim_start().len())
}

fn pointing(text: &str, at: usize, expected: &str) -> String {
    let before = text.get(..at).unwrap_or_default();
    let rest = text.get(at..).unwrap_or_default();
    let number = before.matches('\n').count();
    let line = text.lines().nth(number).unwrap_or_default();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    let found = rest.chars().next().map_or_else(|| "the end".to_owned(), |c| format!("{:?}", c.to_string()));
    let left = rest.lines().next().unwrap_or_default().chars().count();
    let mark = format!("{}^{}", " ".repeat(column), "_".repeat(left.saturating_sub(1)));
    let number = number + 1;
    format!(
        "Error at line {number}, expected {expected} but found {found}:\n{line}\n{mark}\n\nwhile parsing addr_spec\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_pass() {
        for good in ["a@b", "a.b+c@x.example", "\"a b\"@x.example", "x@[192.0.2.1]", " a@b ", "ä@bücher.example"] {
            assert_eq!(check_addr_spec(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn the_place_is_shown() {
        let expected =
            "Error at line 1, expected \"@\" but found \"b\":\nbork bork\n     ^___\n\nwhile parsing addr_spec\n";
        assert_eq!(check_addr_spec("bork bork").unwrap_err(), expected);
        for bad in ["", "@x", "a@", "a", "a@b c", "\"a@b", "a@[b", "a@b\r\nBcc: c@d"] {
            assert!(check_addr_spec(bad).unwrap_err().starts_with("Error at line "), "{bad}");
        }
    }
}
