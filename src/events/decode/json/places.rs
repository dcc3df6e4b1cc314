//! The places in a payload at which fields are found, and the texts at them.

#[cfg(test)]
mod tests;

use super::{
    super::super::{
        fields::Fields,
        path::{Path, Step},
    },
    scan::{Malformed, Scanner},
};

/// All places on the paths of declared fields, as a tree: each is found while the payload is gone through once.
pub(super) struct Places {
    /// The payload itself is the first; what lies below a place comes after it.
    places: Vec<Place>,
    /// The place of each field.
    of_fields: Vec<usize>,
}

#[derive(Default)]
struct Place {
    /// `None` for the payload itself.
    path: Option<Path>,
    members: Vec<Member>,
    /// The elements, ascending.
    elements: Vec<(u32, usize)>,
}

struct Member {
    name: Box<str>,
    /// The name in its quotes, unless JSON must escape a character of it.
    quoted: Option<Box<[u8]>>,
    place: usize,
}

/// What a payload has at the places; it is used again for the next one.
#[derive(Default)]
pub struct Found<'a> {
    texts: Vec<Option<&'a str>>,
    /// The first place that occurs twice. It is remembered rather than an error, so that a payload which is no JSON is
    /// always told so.
    twice: Option<usize>,
    open: Vec<u8>,
}

/// Why a payload has no texts.
pub(super) enum Unreadable {
    /// It is not one JSON object.
    Malformed,
    /// The place of a path that occurs twice.
    Twice(usize),
}

impl Places {
    pub fn of(fields: &Fields) -> Places {
        let mut places = Places {
            places: vec![Place::default()],
            of_fields: Vec::new(),
        };
        for field in fields {
            let mut at = 0;
            for step in field.path().steps() {
                at = places.below(at, step);
            }
            places.of_fields.push(at);
        }
        for place in &mut places.places {
            place.elements.sort_unstable();
        }
        places
    }

    fn below(&mut self, at: usize, step: &Step) -> usize {
        let place = &self.places[at];
        let known = match step {
            Step::Member(name) => {
                let mut members = place.members.iter();
                let known = members.find(|member| *member.name == **name);
                known.map(|member| member.place)
            }
            Step::Index(index) => {
                let mut elements = place.elements.iter();
                let known = elements.find(|(known, _)| known == index);
                known.map(|(_, place)| *place)
            }
        };
        if let Some(known) = known {
            return known;
        }
        let path = match (&place.path, step) {
            (Some(path), step) => Some(path.then(step.clone())),
            (None, Step::Member(name)) => Some(Path::member(name)),
            (None, Step::Index(_)) => None,
        };
        let new = self.places.len();
        self.places.push(Place {
            path,
            ..Place::default()
        });
        match step {
            Step::Member(name) => {
                let escaped = |c: char| c == '"' || c == '\\' || c < ' ';
                let quoted = format!("\"{name}\"").into_bytes().into_boxed_slice();
                self.places[at].members.push(Member {
                    name: name.as_str().into(),
                    quoted: (!name.contains(escaped)).then_some(quoted),
                    place: new,
                });
            }
            Step::Index(index) => self.places[at].elements.push((*index, new)),
        }
        new
    }

    /// The path of a place that occurs twice.
    pub fn path(&self, place: usize) -> Option<&Path> {
        self.places[place].path.as_ref()
    }

    /// The text of a field's value as it stands in the payload; `None` for one that is missing.
    #[inline]
    pub fn text<'a>(&self, found: &Found<'a>, field: usize) -> Option<&'a str> {
        found.texts[self.of_fields[field]]
    }

    /// Looks for all places in a payload.
    ///
    /// # Errors
    /// When it is not one JSON object, or a member on the way to a field occurs twice.
    pub fn find<'a>(&self, text: &'a str, found: &mut Found<'a>) -> Result<(), Unreadable> {
        found.texts.clear();
        found.texts.resize(self.places.len(), None);
        found.twice = None;
        let mut search = Search {
            places: &self.places,
            texts: &mut found.texts,
            twice: &mut found.twice,
            scanner: Scanner::new(text, &mut found.open),
        };
        search
            .payload()
            .map_err(|Malformed| Unreadable::Malformed)?;
        found
            .twice
            .map_or(Ok(()), |place| Err(Unreadable::Twice(place)))
    }
}

struct Search<'p, 'a, 'f> {
    places: &'p [Place],
    texts: &'f mut [Option<&'a str>],
    twice: &'f mut Option<usize>,
    scanner: Scanner<'a, 'f>,
}

impl Search<'_, '_, '_> {
    fn payload(&mut self) -> Result<(), Malformed> {
        self.scanner.space();
        if self.scanner.peek()? != b'{' {
            return Err(Malformed);
        }
        self.object(0)?;
        self.scanner.space();
        if self.scanner.is_at_end() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    /// The value at a place. What lies below is looked for in the same pass; so deep as paths are declared.
    #[inline]
    fn value(&mut self, place: usize) -> Result<(), Malformed> {
        let start = self.scanner.at();
        if self.texts[place].is_some() {
            self.twice.get_or_insert(place);
        }
        let below = &self.places[place];
        match self.scanner.peek()? {
            b'{' if !below.members.is_empty() => self.object(place)?,
            b'[' if !below.elements.is_empty() => self.array(place)?,
            _ => self.scanner.value()?,
        }
        self.texts[place] = Some(self.scanner.since(start));
        Ok(())
    }

    fn object(&mut self, place: usize) -> Result<(), Malformed> {
        let members = &self.places[place].members;
        self.scanner.next()?;
        self.scanner.space();
        if self.scanner.peek()? == b'}' {
            self.scanner.next()?;
            return Ok(());
        }
        // Most messages have their fields in the declared order: look there first.
        let mut expected = 0;
        loop {
            let known = match members
                .get(expected)
                .and_then(|member| member.quoted.as_ref())
            {
                Some(quoted) if self.scanner.take(quoted) => Some(expected),
                _ => {
                    let key = self.scanner.string()?;
                    members.iter().position(|member| key.is(&member.name))
                }
            };
            self.scanner.colon()?;
            match known {
                Some(known) => {
                    self.value(members[known].place)?;
                    expected = known + 1;
                }
                None => self.scanner.value()?,
            }
            if self.ends(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, place: usize) -> Result<(), Malformed> {
        let mut wanted = self.places[place].elements.iter().peekable();
        self.scanner.next()?;
        self.scanner.space();
        if self.scanner.peek()? == b']' {
            self.scanner.next()?;
            return Ok(());
        }
        for index in 0_u64.. {
            match wanted.next_if(|(wanted, _)| u64::from(*wanted) == index) {
                Some((_, place)) => self.value(*place)?,
                None => self.scanner.value()?,
            }
            if self.ends(b']')? {
                break;
            }
        }
        Ok(())
    }

    /// Whether what is gone through ends after a value; if not, the next one follows.
    #[inline]
    fn ends(&mut self, closing: u8) -> Result<bool, Malformed> {
        self.scanner.space();
        match self.scanner.next()? {
            b',' => {
                self.scanner.space();
                Ok(false)
            }
            byte if byte == closing => Ok(true),
            _ => Err(Malformed),
        }
    }
}
