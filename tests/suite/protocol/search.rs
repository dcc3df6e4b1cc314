//! Breadth-first search: every reachable state, each once; the first violation comes with a shortest trace.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    hash::{BuildHasherDefault, Hash, Hasher},
    time::{Duration, Instant},
};

use super::model::{Step, Steps};

/// What is searched: states, and the steps between them.
pub trait System {
    type State: Copy + Hash;

    /// Where it begins.
    fn initial(&self) -> Self::State;

    /// Adds every step out of `state`.
    fn next(&mut self, state: &Self::State, steps: &mut Steps<Self::State>);

    /// What is wrong in a state; `at_rest` when the system has nothing to do any more.
    fn violation(&self, state: &Self::State, at_rest: bool) -> Option<&'static str>;
}

/// What a search found.
#[derive(Debug)]
pub struct Found {
    pub states: usize,
    pub transitions: usize,
    /// Steps from the start to the farthest state.
    pub depth: usize,
    /// States in which the system has nothing to do any more.
    pub at_rest: usize,
    pub time: Duration,
    /// Whether the limit was reached before every state was seen.
    pub cut_short: bool,
    pub violation: Option<Violation>,
}

/// Where a state goes when only the system acts, one step at a time.
const REST: u32 = u32::MAX;

/// A broken invariant, and how to get there.
#[derive(Debug)]
pub struct Violation {
    pub what: &'static str,
    pub trace: Vec<Step>,
}

impl Violation {
    /// One step per line.
    pub fn text(&self) -> String {
        let mut text = format!("{}, after {} steps:\n", self.what, self.trace.len());
        for Step { who, what, detail } in &self.trace {
            let _ = writeln!(text, "  {who} {what} {detail}");
        }
        text
    }
}

/// Where a state was first reached from, and by which of the steps there.
struct Origin {
    from: u32,
    step: u16,
}

/// Visits every state of what is made by `new`, until one is wrong, or there are more than `limit`.
pub fn search<S: System>(new: impl Fn() -> S, limit: usize) -> Found {
    let began = Instant::now();
    let mut model = new();
    let mut seen: HashMap<u64, u32, BuildHasherDefault<Ready>> = HashMap::default();
    let mut drains = Vec::new();
    let mut origins = vec![Origin { from: 0, step: 0 }];
    let mut queue = VecDeque::from([(model.initial(), 0_u32, 0_usize)]);
    seen.insert(fingerprint(&model.initial()), 0);
    let mut steps = Steps::default();
    let mut found = Found {
        states: 1,
        transitions: 0,
        depth: 0,
        at_rest: 0,
        time: Duration::ZERO,
        cut_short: false,
        violation: None,
    };
    while let Some((state, index, depth)) = queue.pop_front() {
        steps.clear();
        model.next(&state, &mut steps);
        found.depth = depth;
        found.at_rest += usize::from(!steps.busy);
        if let Some(what) = model.violation(&state, !steps.busy) {
            let trace = trace(&new, &origins, index);
            found.violation = Some(Violation { what, trace });
            break;
        }
        found.transitions += steps.all.len();
        let mut drain = REST;
        for (number, (_, next)) in steps.all.iter().enumerate() {
            let reached = *seen.entry(fingerprint(next)).or_insert_with(|| {
                let reached = origins.len() as u32;
                queue.push_back((*next, reached, depth + 1));
                origins.push(Origin {
                    from: index,
                    step: number as u16,
                });
                reached
            });
            if steps.first_own == Some(number) {
                drain = reached;
            }
        }
        drains.push(drain);
        if origins.len() > limit {
            found.cut_short = true;
            break;
        }
    }
    let complete = drains.len() == origins.len();
    if let Some(index) = endless(&drains).filter(|_| complete && found.violation.is_none()) {
        found.violation = Some(Violation {
            what: "the system never comes to rest by itself",
            trace: trace(&new, &origins, index),
        });
    }
    found.states = origins.len();
    found.time = began.elapsed();
    found
}

/// A state from which the system acts for ever.
fn endless(drains: &[u32]) -> Option<u32> {
    const NEW: u32 = 0;
    let goes = |at: u32| drains.get(at as usize).copied().unwrap_or(REST);
    let mut visited = vec![NEW; drains.len()];
    for start in 0..drains.len() as u32 {
        let (mut at, walk) = (start, start + 1);
        while at != REST && visited.get(at as usize) == Some(&NEW) {
            visited[at as usize] = walk;
            at = goes(at);
        }
        if visited.get(at as usize) == Some(&walk) {
            return Some(at);
        }
    }
    None
}

/// The steps to a state, found by walking back and doing them again.
fn trace<S: System>(new: impl Fn() -> S, origins: &[Origin], mut index: u32) -> Vec<Step> {
    let mut path = Vec::new();
    while index != 0 {
        let origin = &origins[index as usize];
        path.push(origin.step as usize);
        index = origin.from;
    }
    let mut model = new();
    let mut state = model.initial();
    let mut steps = Steps::default();
    let mut trace = Vec::new();
    for number in path.into_iter().rev() {
        steps.clear();
        model.next(&state, &mut steps);
        let (step, next) = steps.all[number];
        trace.push(step);
        state = next;
    }
    trace
}

fn fingerprint(state: &impl Hash) -> u64 {
    let mut mix = Mix(0x9e37_79b9_7f4a_7c15);
    state.hash(&mut mix);
    mix.finish()
}

/// A fast hash of 64 bits, good enough that among millions of states two are hardly ever taken for one.
struct Mix(u64);

impl Mix {
    fn add(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.0 = mixed ^ (mixed >> 32);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.add(value.into());
    }

    fn write_u16(&mut self, value: u16) {
        self.add(value.into());
    }

    fn write_usize(&mut self, value: usize) {
        self.add(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.add(value as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// For keys that are hashes already.
#[derive(Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only whole numbers are kept");
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
