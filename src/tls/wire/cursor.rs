//! Reads big-endian fields from the front of a slice. Must not know: what they mean.

/// What is left to read. Each method takes a field off the front; `None` if there are too few bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    pub(crate) fn u24(&mut self) -> Option<usize> {
        let [a, b, c] = self.take(3)?.try_into().ok()?;
        Some(usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c))
    }

    pub(crate) fn vector8(&mut self) -> Option<Cursor<'a>> {
        let length = self.u8()?;
        self.take(length.into()).map(Cursor)
    }

    pub(crate) fn vector16(&mut self) -> Option<Cursor<'a>> {
        let length = self.u16()?;
        self.take(length.into()).map(Cursor)
    }

    /// The rest as numbers of two bytes each; `None` if one byte is left over.
    pub(crate) fn all_u16<T>(mut self, make: impl Fn(u16) -> T) -> Option<Vec<T>> {
        let mut all = Vec::with_capacity(self.0.len() / 2);
        while !self.0.is_empty() {
            all.push(make(self.u16()?));
        }
        Some(all)
    }

    pub(crate) fn vector24(&mut self) -> Option<Cursor<'a>> {
        let length = self.u24()?;
        self.take(length).map(Cursor)
    }
}
