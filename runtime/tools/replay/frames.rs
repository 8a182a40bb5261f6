//! Compressed logs, frame after frame: where one is damaged or cut short, reading goes on with the next, as when the
//! segments of a log have been put together and a machine had died over one of them.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

/// The largest window of zstd that is taken, as a power of two.
const WINDOW_LOG: u32 = 27;

/// As much as is read in one go.
const READ_BYTES: usize = 128 << 10;

/// As much as may have been taken for a frame that had ended: more than a block of zstd.
const HISTORY_BYTES: usize = 256 << 10;

/// As much as is lost when a decoder fails over what it has done in the same call.
const STEP_BYTES: usize = 16 << 10;

/// How frames begin.
const MAGIC_BYTES: usize = 4;

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kind {
    Gzip,
    Zstd,
}

impl Kind {
    /// What begins with these bytes, when it is a frame.
    pub(super) fn of(beginning: &[u8]) -> Option<Self> {
        match beginning {
            [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => Some(Self::Gzip),
            // A frame, or one that is to be skipped.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Reads what frames hold. A read fails where one is damaged; the one after that goes on behind it.
pub(super) struct Frames(State);

enum State {
    Between(Tap),
    Gzip(GzDecoder<Tap>),
    Zstd(ZstdDecoder<'static, Tap>),
    /// It failed for good.
    Over,
}

impl Frames {
    pub(super) fn new(source: Box<dyn Read + Send>) -> Self {
        Self(State::Between(Tap { source, buffer: Vec::new(), at: 0, frame: 0 }))
    }
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let step = buffer.len().min(STEP_BYTES);
        let buffer = buffer.get_mut(..step).unwrap_or_default();
        loop {
            let read = match &mut self.0 {
                State::Gzip(decoder) => decoder.read(buffer),
                State::Zstd(decoder) => decoder.read(buffer),
                State::Between(_) => Ok(0),
                State::Over => return Ok(0),
            };
            let damage = match read {
                Ok(count) if count > 0 || buffer.is_empty() => return Ok(count),
                Ok(_) => None,
                Err(error) if super::source::is_damage(&error) => Some(error),
                Err(error) => return Err(error),
            };
            // The frame has ended.
            let mut tap = match std::mem::replace(&mut self.0, State::Over) {
                State::Gzip(decoder) => decoder.into_inner(),
                State::Zstd(decoder) => decoder.finish(),
                State::Between(tap) => tap,
                State::Over => return Ok(0),
            };
            if let Some(error) = damage {
                tap.find()?;
                self.0 = State::Between(tap);
                return Err(error);
            }
            let beginning = tap.peek()?;
            if beginning.is_empty() {
                return Ok(0);
            }
            let Some(kind) = Kind::of(beginning) else {
                tap.find()?;
                self.0 = State::Between(tap);
                return Err(io::Error::new(io::ErrorKind::InvalidData, "not a frame"));
            };
            self.0 = open(tap, kind)?;
        }
    }
}

fn open(mut tap: Tap, kind: Kind) -> io::Result<State> {
    tap.frame = tap.at;
    Ok(match kind {
        Kind::Gzip => State::Gzip(GzDecoder::new(tap)),
        Kind::Zstd => {
            let mut decoder = ZstdDecoder::with_buffer(tap)?.single_frame();
            decoder.window_log_max(WINDOW_LOG)?;
            State::Zstd(decoder)
        }
    })
}

/// What is read, and what has been read a little before.
struct Tap {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// What is before this has been taken.
    at: usize,
    /// Where the frame begins, or the buffer if it began before.
    frame: usize,
}

impl Tap {
    /// Reads more; false at the end.
    fn more(&mut self) -> io::Result<bool> {
        let gone = self.at.saturating_sub(HISTORY_BYTES);
        if gone > HISTORY_BYTES {
            self.buffer.drain(..gone);
            (self.at, self.frame) = (self.at - gone, self.frame.saturating_sub(gone));
        }
        let before = self.buffer.len();
        self.buffer.resize(before + READ_BYTES, 0);
        let read = loop {
            match self.source.read(self.buffer.get_mut(before..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        read.map(|count| count > 0)
    }

    /// What comes next, enough to know a frame by.
    fn peek(&mut self) -> io::Result<&[u8]> {
        while self.buffer.len() < self.at + MAGIC_BYTES && self.more()? {}
        Ok(self.buffer.get(self.at..).unwrap_or_default())
    }

    /// Goes to the next frame behind the beginning of this one, or to the end.
    fn find(&mut self) -> io::Result<()> {
        // What has been looked at is let go of.
        self.at = (self.frame + 1).min(self.buffer.len());
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            if let Some(found) = rest.windows(MAGIC_BYTES).position(|bytes| Kind::of(bytes).is_some()) {
                self.at += found;
                return Ok(());
            }
            self.at = self.buffer.len().saturating_sub(MAGIC_BYTES - 1).max(self.at);
            if !self.more()? {
                self.at = self.buffer.len();
                return Ok(());
            }
        }
    }
}

impl Read for Tap {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Tap {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.buffer.len() {
            self.more()?;
        }
        Ok(self.buffer.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.at = (self.at + count).min(self.buffer.len());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 1).unwrap()
    }

    /// Text that does not compress well.
    fn text(seed: u64, bytes: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..bytes).map(|_| random.u8(32..127)).collect()
    }

    /// What is read, a part each up to the next damage.
    fn read(bytes: Vec<u8>) -> Vec<Vec<u8>> {
        let mut frames = Frames::new(Box::new(io::Cursor::new(bytes)));
        let mut parts = vec![Vec::new()];
        let mut buffer = vec![0; 1 << 20];
        loop {
            match frames.read(&mut buffer) {
                Ok(0) => return parts,
                Ok(count) => parts.last_mut().unwrap().extend(&buffer[..count]),
                Err(_) => parts.push(Vec::new()),
            }
            assert!(parts.len() < 20, "it goes on");
        }
    }

    #[test]
    fn frames_of_either_kind_are_one() {
        let (one, two) = (text(1, 700_000), text(2, 10));
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let whole = [zstd(&one), gzip(&two), skipped, zstd(b""), gzip(&one), zstd(&two)].concat();
        assert!(read(whole) == [[one.as_slice(), &two, &one, &two].concat()]);
        assert_eq!(read(Vec::new()), [b""]);
    }

    #[test]
    fn reading_goes_on_behind_a_frame_that_is_cut_short() {
        for length in [100, 50_000, 900_000] {
            let (one, two) = (text(1, length), text(2, length));
            for pack in [gzip, zstd] {
                let (first, second) = (pack(&one), pack(&two));
                let cut = &first[..first.len() - 30];
                let parts = read([cut, &second, &second].concat());
                assert_eq!(parts.len(), 2, "{length}");
                // Gzip may take some of what follows for more of the same before it notices.
                let same = one.iter().zip(&parts[0]).take_while(|(one, read)| one == read).count();
                assert!(one.len() - same <= 150_000, "{length}");
                assert!(parts[1] == [two.as_slice(), &two].concat(), "{length}");
                // Nothing behind it.
                let parts = read(cut.to_vec());
                assert!(parts.len() == 2 && parts[1].is_empty(), "{length}");
                // Something else between two.
                let parts = read([first.as_slice(), b"\n\nsomething else\0", &second].concat());
                assert!(parts == [one.as_slice(), &two], "{length}");
            }
        }
    }
}
