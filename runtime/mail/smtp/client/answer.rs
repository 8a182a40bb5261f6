//! Reading replies (RFC 5321 section 4.2).

use super::Trouble;
use crate::mail::reply::Reply;

/// The longest line of a reply, in bytes. RFC 5321 section 4.5.3.1.5 has 512; real ones carry URLs.
pub(super) const LONGEST_LINE: usize = 4096;
/// The longest reply, in bytes.
const LONGEST_REPLY: usize = 64 * 1024;

/// A reply whose last line has not come yet.
#[derive(Debug, Default)]
pub(super) struct Draft {
    code: Option<u16>,
    /// The enhanced code of the first line with a blank behind it.
    enhanced: Option<String>,
    text: String,
}

impl Draft {
    /// Adds a line, without its line end; gives the reply when it was the last.
    pub(super) fn add(&mut self, line: &[u8]) -> Result<Option<Reply>, Trouble> {
        let (code, is_last, text) = parse_line(line).ok_or_else(|| Trouble::garbage(line))?;
        let text = String::from_utf8_lossy(text);
        match self.code {
            None => {
                self.code = Some(code);
                self.enhanced = Reply::new(code, &text)
                    .enhanced_code
                    .map(|found| format!("{}.{}.{} ", found.class, found.subject, found.detail));
                self.text.push_str(&text);
            }
            Some(first) if first != code => return Err(Trouble::garbage(line)),
            Some(_) => {
                self.text.push('\n');
                let repeated = self.enhanced.as_deref().and_then(|enhanced| text.strip_prefix(enhanced));
                self.text.push_str(repeated.unwrap_or(&text));
            }
        }
        if self.text.len() > LONGEST_REPLY {
            return Err(Trouble::Endless);
        }
        Ok(is_last.then(|| Reply::new(code, &self.text)))
    }
}

/// The code, whether it is the last line, and the text.
fn parse_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    let plausible = matches!(digits, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9']);
    let code = plausible.then(|| digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')))?;
    match rest {
        [] => Some((code, true, rest)),
        [b' ', text @ ..] => Some((code, true, text)),
        [b'-', text @ ..] => Some((code, false, text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<Option<Reply>, Trouble> {
        let mut draft = Draft::default();
        let (last, first) = lines.split_last().unwrap();
        for line in first {
            assert_eq!(draft.add(line.as_bytes())?, None);
        }
        draft.add(last.as_bytes())
    }

    #[test]
    fn lines_become_one_reply() {
        let reply = read(&["550-5.1.1 The mailbox", "550-5.1.1 does not", "550 exist. 5.1.1"]).unwrap().unwrap();
        assert_eq!((reply.code, reply.content.as_str()), (550, "The mailbox\ndoes not\nexist. 5.1.1"));
        assert_eq!(reply.to_string(), "550 5.1.1 The mailbox does not exist. 5.1.1");
        assert_eq!(read(&["250"]).unwrap().unwrap().content, "");
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for line in ["", "25", "hello", "650 no", "2x0 no", "250?", "\u{feff}250 x"] {
            assert!(matches!(read(&[line]), Err(Trouble::Garbage(_))), "{line}");
        }
        assert!(matches!(read(&["250-a", "251 b"]), Err(Trouble::Garbage(_))));
        let mut draft = Draft::default();
        let line = [&b"250-"[..], &[b'x'; 4000]].concat();
        let end = (0..100).find_map(|_| draft.add(&line).err());
        assert!(matches!(end, Some(Trouble::Endless)));
    }
}
