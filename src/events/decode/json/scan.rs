//! JSON text, taken apart without being copied: what is skipped is checked as strictly as what is read.
//!
//! It takes what RFC 8259 takes, however deep, and half of a surrogate pair as long as nobody asks for the text.

/// Text that is no JSON. Where and why is another question, for which there is time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::events) struct Malformed;

/// Whether a text is a number as JSON writes it, and nothing else.
pub(in crate::events) fn is_number(text: &str) -> bool {
    let mut open = Vec::new();
    let mut scanner = Scanner::new(text, &mut open);
    scanner.number().is_ok() && scanner.is_at_end()
}

/// A position in a text, and what is open at it.
pub(in crate::events) struct Scanner<'a, 's> {
    text: &'a str,
    at: usize,
    /// The closing brackets of what is skipped; kept, because its memory is.
    open: &'s mut Vec<u8>,
}

/// A string without its quotes.
#[derive(Clone, Copy)]
pub(in crate::events) struct Quoted<'a> {
    pub inner: &'a str,
    pub has_escape: bool,
}

impl Quoted<'_> {
    /// Whether it says `text`.
    #[inline]
    pub fn is(self, text: &str) -> bool {
        if !self.has_escape {
            return self.inner == text;
        }
        // What stands for no text says nothing.
        let said: Result<String, _> = serde_json::from_str(&format!("\"{}\"", self.inner));
        said.is_ok_and(|said| said == text)
    }
}

impl<'a, 's> Scanner<'a, 's> {
    pub fn new(text: &'a str, open: &'s mut Vec<u8>) -> Scanner<'a, 's> {
        open.clear();
        Scanner { text, at: 0, open }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    /// The text from a position up to here.
    pub fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    #[inline]
    pub fn peek(&self) -> Result<u8, Malformed> {
        self.text.as_bytes().get(self.at).copied().ok_or(Malformed)
    }

    #[inline]
    pub fn next(&mut self) -> Result<u8, Malformed> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    pub fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    #[inline]
    pub fn space(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// Whether these bytes come next; if so, they are taken.
    #[inline]
    pub fn take(&mut self, expected: &[u8]) -> bool {
        let is_it = self.text.as_bytes()[self.at..].starts_with(expected);
        self.at += if is_it { expected.len() } else { 0 };
        is_it
    }

    /// What stands between a key and its value.
    #[inline]
    pub fn colon(&mut self) -> Result<(), Malformed> {
        self.space();
        match self.next()? {
            b':' => {
                self.space();
                Ok(())
            }
            _ => Err(Malformed),
        }
    }

    /// Goes into an object or array, or after a value in it: whether another member or element follows before it ends.
    #[inline]
    pub fn goes_on(&mut self, closing: u8, first: bool) -> Result<bool, Malformed> {
        if first {
            self.next()?;
        }
        self.space();
        match self.peek()? {
            byte if byte == closing => {
                self.at += 1;
                Ok(false)
            }
            b',' if !first => {
                self.at += 1;
                self.space();
                // A comma must be followed by something.
                if self.peek()? == closing {
                    Err(Malformed)
                } else {
                    Ok(true)
                }
            }
            _ if first => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// A string, whose opening quote comes next.
    #[inline]
    pub fn string(&mut self) -> Result<Quoted<'a>, Malformed> {
        if self.next()? != b'"' {
            return Err(Malformed);
        }
        let start = self.at;
        let mut has_escape = false;
        loop {
            self.plain();
            match self.next()? {
                b'"' => {
                    let inner = &self.text[start..self.at - 1];
                    return Ok(Quoted { inner, has_escape });
                }
                b'\\' => {
                    has_escape = true;
                    self.escape()?;
                }
                _ => return Err(Malformed),
            }
        }
    }

    /// Goes to the next quote, backslash or control character, or to the end.
    #[inline]
    fn plain(&mut self) {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
        let bytes = self.text.as_bytes();
        // Eight at a time: a byte of `found` has its highest bit where one of the three is, or after one.
        while let Some(Ok(eight)) = bytes.get(self.at..self.at + 8).map(<[u8; 8]>::try_from) {
            let eight = u64::from_le_bytes(eight);
            let zero = |of: u64| of.wrapping_sub(ONES) & !of;
            let control = eight.wrapping_sub(ONES * 0x20) & !eight;
            let quote = zero(eight ^ (ONES * u64::from(b'"')));
            let backslash = zero(eight ^ (ONES * u64::from(b'\\')));
            let found = (control | quote | backslash) & HIGH;
            if found != 0 {
                self.at += found.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        while let Some(byte) = bytes.get(self.at) {
            if matches!(byte, b'"' | b'\\' | 0..=0x1f) {
                return;
            }
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    if !self.next()?.is_ascii_hexdigit() {
                        return Err(Malformed);
                    }
                }
                Ok(())
            }
            _ => Err(Malformed),
        }
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        while let Some(b'0'..=b'9') = bytes.get(self.at) {
            self.at += 1;
        }
        if self.at > start {
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    fn number(&mut self) -> Result<(), Malformed> {
        self.take(b"-");
        if !self.take(b"0") {
            self.digits()?;
        }
        if self.take(b".") {
            self.digits()?;
        }
        if self.take(b"e") || self.take(b"E") {
            let _ = self.take(b"+") || self.take(b"-");
            self.digits()?;
        }
        Ok(())
    }

    /// Goes past a value, which begins here.
    #[inline]
    pub fn value(&mut self) -> Result<(), Malformed> {
        let whole = match self.peek()? {
            b'"' => return self.string().map(drop),
            b'-' | b'0'..=b'9' => return self.number(),
            b't' => self.take(b"true"),
            b'f' => self.take(b"false"),
            b'n' => self.take(b"null"),
            b'{' | b'[' => return self.nested(),
            _ => false,
        };
        if whole { Ok(()) } else { Err(Malformed) }
    }

    /// Goes past an object or array: with a list of what is open instead of the stack, which a payload must not use up.
    fn nested(&mut self) -> Result<(), Malformed> {
        loop {
            let opening = self.peek()?;
            if matches!(opening, b'{' | b'[') {
                // The brackets of ASCII are two apart.
                let closing = opening + 2;
                self.at += 1;
                self.space();
                if self.peek()? != closing {
                    self.open.push(closing);
                    self.before_value(closing)?;
                    continue;
                }
                self.at += 1;
            } else {
                self.value()?;
            }
            // A value has ended.
            loop {
                let Some(closing) = self.open.last().copied() else {
                    return Ok(());
                };
                self.space();
                match self.next()? {
                    b',' => {
                        self.space();
                        self.before_value(closing)?;
                        break;
                    }
                    byte if byte == closing => drop(self.open.pop()),
                    _ => return Err(Malformed),
                }
            }
        }
    }

    /// In an object, goes past the key.
    #[inline]
    fn before_value(&mut self, closing: u8) -> Result<(), Malformed> {
        match closing {
            b'}' => self.string().and_then(|_| self.colon()),
            _ => Ok(()),
        }
    }
}
