//! Which lines of a chunk hold code, as Lua 5.4 compiled it.
//!
//! `debug.getinfo(f, 'L')` would tell, but the library that it belongs to can break the Lua state and is not loaded.

use std::collections::BTreeSet;

/// Signature, version, format, a check of line ends, sizes of instructions and numbers, two numbers: the same in every chunk.
const HEADER: usize = 4 + 1 + 1 + 6 + 3 + 8 + 8;
/// Stands for a line that is too far from the one before and is listed apart.
const APART: i8 = i8::MIN;

struct Reader<'d> {
    rest: &'d [u8],
}

/// The lines with instructions; `None` for what is no chunk of this version of Lua.
///
/// The return that ends each function by itself is none: it never runs where the code returns before.
pub(super) fn lines(dump: &[u8]) -> Option<BTreeSet<usize>> {
    let mut reader = Reader { rest: dump };
    let header = reader.take(HEADER)?;
    if !header.starts_with(b"\x1bLua\x54\x00") {
        return None;
    }
    // How many upvalues the chunk has.
    reader.byte()?;
    let mut found = BTreeSet::new();
    reader.function(&mut found)?;
    Some(found)
}

impl<'d> Reader<'d> {
    fn take(&mut self, count: usize) -> Option<&'d [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    /// Seven bits a byte, the highest first; the last byte is marked.
    fn number(&mut self) -> Option<usize> {
        let mut number = 0_usize;
        loop {
            let byte = self.byte()?;
            number = number.checked_mul(128)? | usize::from(byte & 0x7f);
            if byte & 0x80 != 0 {
                return Some(number);
            }
        }
    }

    fn text(&mut self) -> Option<()> {
        match self.number()? {
            0 => Some(()),
            length => self.take(length - 1).map(drop),
        }
    }

    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        (0..self.number()?).try_for_each(|_| item(self))
    }

    fn constant(&mut self) -> Option<()> {
        match self.byte()? {
            0x03 | 0x13 => self.take(8).map(drop),
            0x04 | 0x14 => self.text(),
            _ => Some(()),
        }
    }

    fn function(&mut self, found: &mut BTreeSet<usize>) -> Option<()> {
        self.text()?;
        let first = self.number()?;
        self.number()?;
        let about = self.take(3)?;
        let takes_any = about[1] != 0;
        let instructions = self.number()?;
        self.take(instructions.checked_mul(4)?)?;
        self.list(Self::constant)?;
        self.list(|reader| reader.take(3).map(drop))?;
        self.list(|reader| reader.function(found))?;
        let steps = self.number()?;
        let steps = self.take(steps)?;
        let mut apart = Vec::new();
        self.list(|reader| {
            apart.push((reader.number()?, reader.number()?));
            Some(())
        })?;
        let mut line = first;
        for (at, step) in steps.iter().enumerate() {
            line = match step.cast_signed() {
                APART => apart.iter().find(|(place, _)| *place == at)?.1,
                step => line.checked_add_signed(isize::from(step))?,
            };
            // Arguments are set up by an instruction that no line begins with.
            if at + 1 < steps.len() && !(takes_any && at == 0) {
                found.insert(line);
            }
        }
        self.list(|reader| {
            reader.text()?;
            reader.number()?;
            reader.number().map(drop)
        })?;
        self.list(Self::text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(text: &str) -> Vec<usize> {
        let lua = mlua::Lua::new();
        let chunk = lua.load(text).into_function().unwrap();
        lines(&chunk.dump(false)).unwrap().into_iter().collect()
    }

    #[test]
    fn lines_with_code_are_found() {
        let text = "-- a comment\nlocal a = 1.5\n\nlocal function f(x)\n  if x then\n    return 'yes'\n  end\n  return 7\nend\nf(a)\n";
        assert_eq!(lines_of(text), [2, 5, 6, 8, 9, 10]);
        let far = format!("local a = 1{}a = 'x'\nreturn function(...)\n  return ...\nend\n", "\n".repeat(300));
        assert_eq!(lines_of(&far), [1, 301, 303, 304]);
    }

    #[test]
    fn what_is_no_chunk_has_no_lines() {
        assert_eq!(lines(b"local x"), None);
        assert_eq!(lines(b""), None);
        let lua = mlua::Lua::new();
        let chunk = lua.load("local x = 1 return x").into_function().unwrap().dump(false);
        assert_eq!(lines(&chunk[..chunk.len() - 1]), None);
    }
}
