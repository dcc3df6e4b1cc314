//! The declaration that payloads suggest: what the members of a sample of JSON objects hold.
//!
//! A guess from a sample, never more: whoever proposes it tries it on events first. Numbers are looked at as they are written,
//! and are given room: a DECIMAL has 18 digits or 38, and an even number of them after the point. What an object holds is proposed by
//! its path; texts that are all times, dates, or numbers with a point, as what they are.

mod object;

use std::collections::HashSet;

use super::{
    Decoder, Format, columns, declaration,
    decode::is_number,
    fields::{Field, FieldType, Fields, Form},
    path::{Path, Step},
    time,
};
use object::{object, object_of};

/// So many members of the objects are looked at; keys that are data (a map by id) have no end.
const MOST_MEMBERS: usize = 100;
/// Numbers with more digits after the point are floats, and no amounts that somebody counted.
const LONGEST_FRACTION: usize = 6;
/// The digits of a DECIMAL that fits 64 bits, and of the largest one.
const SMALL: u8 = 18;
const LARGE: u8 = 38;
/// Objects in each other are looked into so far.
const DEEPEST: usize = 6;
/// A BIGINT has so many digits at most.
const BIGINT_DIGITS: u8 = 19;

/// What was seen in the payloads of some events.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    objects: usize,
    /// In the order in which they were first seen.
    members: Vec<Member>,
}

/// What was seen in one place.
#[derive(Clone, Debug)]
struct Member {
    name: String,
    path: Path,
    /// Objects that have it, and not as null.
    present: usize,
    numbers: Numbers,
    texts: usize,
    /// Of the texts: those that are times, dates, and numbers.
    times: usize,
    dates: usize,
    sent_as_text: Numbers,
    booleans: usize,
    /// Objects and arrays.
    nested: usize,
}

/// The numbers under one name.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    count: usize,
    /// How many a BIGINT holds.
    bigint: usize,
    /// How many are written with an exponent.
    exponents: usize,
    /// The most digits before the point, and after it.
    whole: usize,
    fraction: usize,
}

impl Observed {
    /// Looks at payloads. What is no JSON object tells nothing.
    #[must_use]
    pub fn of<'a>(payloads: impl IntoIterator<Item = &'a [u8]>) -> Observed {
        let mut observed = Observed::default();
        for payload in payloads {
            if let Some(object) = object(payload) {
                observed.add(&object);
            }
        }
        observed
    }

    fn add(&mut self, object: &[(String, &str)]) {
        self.objects += 1;
        self.add_below(None, object);
    }

    fn add_below(&mut self, above: Option<&Path>, object: &[(String, &str)]) {
        let mut seen = HashSet::with_capacity(object.len());
        for (name, value) in object {
            // Of a member that an object has twice, the first.
            if !seen.insert(name) {
                continue;
            }
            let path = match above {
                Some(above) => above.then(Step::Member(name.clone())),
                None => Path::member(name),
            };
            let known = self.members.iter().position(|one| one.path == path);
            let at = match known {
                Some(at) => at,
                None if self.members.len() == MOST_MEMBERS => continue,
                None => {
                    self.members.push(Member::new(name, path.clone()));
                    self.members.len() - 1
                }
            };
            self.members[at].add(value);
            if value.starts_with('{')
                && path.steps().len() < DEEPEST
                && let Some(below) = object_of(value)
            {
                self.add_below(Some(&path), &below);
            }
        }
    }

    /// The declaration of all members that can be columns; `None` when there is none.
    #[must_use]
    pub fn fields(&self) -> Option<Fields> {
        let mut fields: Vec<Field> = Vec::new();
        for member in &self.members {
            let Some((data_type, form)) = member.data_type() else {
                continue;
            };
            let free = |name: &str| {
                let taken = |one: &Field| declaration::same(&one.name, name);
                declaration::is_name(name) && name != columns::RESULT && !fields.iter().any(taken)
            };
            // A name below others that is taken: with those above it.
            let names = [member.name.clone(), member.long_name()];
            let Some(name) = names.into_iter().find(|name| free(name)) else {
                continue;
            };
            let path = Some(member.path.clone()).filter(|path| !path.is_member(&name));
            let nullable = member.present < self.objects;
            fields.push(Field {
                form,
                path,
                ..Field::new(&name, data_type, nullable)
            });
        }
        (!fields.is_empty()).then_some(Fields(fields))
    }

    /// The members that can be no column: objects, arrays, nulls only, and names that SQL cannot tell apart.
    #[must_use]
    pub fn left_out(&self) -> Vec<&str> {
        let fields = self.fields();
        // Or something below it is.
        let declared = |member: &Member| {
            let mut fields = fields.iter().flatten();
            fields.any(|field| field.path().steps().starts_with(member.path.steps()))
        };
        let left_out = self.members.iter().filter(|member| !declared(member));
        left_out.map(|member| member.name.as_str()).collect()
    }

    /// The declaration of the members with the names of `declared`, in its order; `None` when one of them was never seen.
    #[must_use]
    pub fn like(&self, declared: &Fields) -> Option<Fields> {
        let seen = self.fields()?;
        let find = |field: &Field| {
            let found = seen.iter().find(|one| one.path() == field.path())?;
            Some(Field {
                name: field.name.clone(),
                path: field.path.clone(),
                ..found.clone()
            })
        };
        let fields: Option<Vec<Field>> = declared.iter().map(find).collect();
        fields.map(Fields)
    }

    /// `declared`, so far widened that it also takes what was seen: a larger number type, NULL where something was missing.
    #[must_use]
    pub fn widening(&self, declared: &Fields) -> Fields {
        let wider = |field: &Field| {
            let path = field.path();
            let member = self.members.iter().find(|one| one.path == path);
            let present = member.map_or(0, |member| member.present);
            let seen = member.and_then(Member::data_type);
            let seen = seen.filter(|(_, form)| *form == field.form);
            Field {
                data_type: seen.map_or(field.data_type, |(seen, _)| wider(field.data_type, seen)),
                nullable: field.nullable || present < self.objects,
                ..field.clone()
            }
        };
        Fields(declared.iter().map(wider).collect())
    }
}

impl Fields {
    /// How many of these payloads hold what is declared.
    #[must_use]
    pub fn accepting<'a>(&self, payloads: impl IntoIterator<Item = Option<&'a [u8]>>) -> usize {
        let decoder = Decoder::new(Format::Json, self.clone());
        let mut rows = decoder.rows(0);
        for payload in payloads {
            // Why not is another question.
            drop(decoder.decode(payload, &mut rows));
        }
        rows.len()
    }
}

impl Member {
    fn add(&mut self, value: &str) {
        match value.as_bytes().first() {
            Some(b'n') | None => return,
            Some(b'"') => self.add_text(value.trim_matches('"')),
            Some(b't' | b'f') => self.booleans += 1,
            Some(b'{' | b'[') => self.nested += 1,
            Some(_) => self.numbers.add(value),
        }
        self.present += 1;
    }

    fn new(name: &str, path: Path) -> Member {
        Member {
            name: name.to_owned(),
            path,
            present: 0,
            numbers: Numbers::default(),
            texts: 0,
            times: 0,
            dates: 0,
            sent_as_text: Numbers::default(),
            booleans: 0,
            nested: 0,
        }
    }

    /// The names on its path: `after_price_amount`.
    fn long_name(&self) -> String {
        let names = self.path.steps().iter().map(|step| match step {
            Step::Member(name) => name.clone(),
            Step::Index(index) => index.to_string(),
        });
        names.collect::<Vec<_>>().join("_")
    }

    fn add_text(&mut self, text: &str) {
        self.texts += 1;
        self.times += usize::from(time::timestamp(text).is_ok());
        self.dates += usize::from(time::date(text).is_ok());
        if is_number(text) {
            self.sent_as_text.add(text);
        }
    }

    /// The type of the texts.
    fn text_type(&self) -> (FieldType, Form) {
        let all = |count: usize| count == self.texts;
        let numbers = &self.sent_as_text;
        match () {
            () if all(self.times) => (FieldType::Timestamp, Form::Any),
            () if all(self.dates) => (FieldType::Date, Form::Any),
            // Whole numbers in strings are names of things more often than amounts.
            () if all(numbers.count) && numbers.fraction > 0 => {
                (numbers.data_type(), Form::FromString)
            }
            () => (FieldType::Varchar, Form::Any),
        }
    }

    /// The type that most of the values have; of equally many, the one that is asked for first.
    fn data_type(&self) -> Option<(FieldType, Form)> {
        let most = [self.numbers.count, self.texts, self.booleans, self.nested]
            .into_iter()
            .max()
            .filter(|most| *most > 0)?;
        if self.numbers.count == most {
            Some((self.numbers.data_type(), Form::Any))
        } else if self.texts == most {
            Some(self.text_type())
        } else if self.booleans == most {
            Some((FieldType::Boolean, Form::Any))
        } else {
            None
        }
    }
}

impl Numbers {
    fn add(&mut self, token: &str) {
        self.count += 1;
        if token.parse::<i64>().is_ok() {
            self.bigint += 1;
        }
        if token.contains(['e', 'E']) {
            self.exponents += 1;
            return;
        }
        let (whole, fraction) = token.split_once('.').unwrap_or((token, ""));
        self.whole = self.whole.max(whole.trim_start_matches('-').len());
        self.fraction = self.fraction.max(fraction.len());
    }

    fn data_type(&self) -> FieldType {
        if self.bigint == self.count {
            return FieldType::BigInt;
        }
        if self.exponents > 0 || self.fraction > LONGEST_FRACTION {
            return FieldType::Double;
        }
        decimal(self.whole, self.fraction.next_multiple_of(2))
    }
}

/// A DECIMAL with room for so many digits before and after the point, or a DOUBLE when there is none that large.
fn decimal(whole: usize, scale: usize) -> FieldType {
    let fits = |precision: u8| whole + scale <= usize::from(precision);
    let precision = [SMALL, LARGE]
        .into_iter()
        .find(|precision| fits(*precision));
    match (precision, u8::try_from(scale)) {
        (Some(precision), Ok(scale)) => FieldType::Decimal { precision, scale },
        _ => FieldType::Double,
    }
}

/// The number type that holds what both hold; `declared` where there is none.
fn wider(declared: FieldType, seen: FieldType) -> FieldType {
    use FieldType::{BigInt, Decimal, Double};
    let digits = |one| match one {
        BigInt => Some((BIGINT_DIGITS, 0)),
        Decimal { precision, scale } => Some((precision - scale, scale)),
        _ => None,
    };
    match (declared, seen) {
        (BigInt, BigInt) => BigInt,
        (Double, BigInt | Decimal { .. }) | (BigInt | Decimal { .. }, Double) => Double,
        _ => match (digits(declared), digits(seen)) {
            (Some((one, scale)), Some((other, other_scale))) => decimal(
                usize::from(one.max(other)),
                usize::from(scale.max(other_scale)),
            ),
            _ => declared,
        },
    }
}

#[cfg(test)]
mod tests;
