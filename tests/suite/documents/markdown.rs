//! A document, its blocks, and what becomes of them.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use regex::Regex;

use super::scenes::{Scene, Scenes};

/// Tests that update one document take turns.
static UPDATES: Mutex<()> = Mutex::new(());

/// A text in Markdown.
pub struct Document {
    path: PathBuf,
    text: String,
}

/// What is below a heading, up to the next of its level or above.
pub struct Section<'d> {
    pub title: &'d str,
    text: &'d str,
}

/// A fenced block.
#[derive(Clone, Debug)]
pub struct Block<'d> {
    /// `console`, `sh`, and so on.
    kind: &'d str,
    /// What the comment right before it says.
    comment: Option<&'d str>,
    pub text: &'d str,
    /// Where that is.
    place: Range<usize>,
}

impl Document {
    /// A document of the sources.
    pub fn read(path: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = fs::read_to_string(&path).expect("a file of the sources");
        Self { path, text }
    }

    /// The sections whose heading begins like this.
    pub fn sections(&self, heading: &str) -> impl Iterator<Item = Section<'_>> {
        let heading = format!("\n{heading}");
        let mut parts = Vec::new();
        for part in self.text.split("\n## ") {
            parts.extend(part.split(&heading).skip(1));
        }
        parts.into_iter().map(|part| {
            let (title, text) = part.split_once('\n').unwrap_or((part, ""));
            Section { title, text }
        })
    }

    /// Runs the blocks of those scenes.
    pub fn run(&self, wanted: impl Fn(&str) -> bool) {
        let mut scenes = Scenes::default();
        let mut scene: Option<Scene> = None;
        let mut is_wanted = false;
        let (mut ran, mut wrong, mut updates) = (0, Vec::new(), Vec::new());
        for (index, block) in blocks(&self.text).into_iter().enumerate() {
            if !block.is_ours() {
                continue;
            }
            match block.comment.and_then(|comment| comment.split_once(": ")) {
                Some(("scene", name)) => {
                    is_wanted = wanted(name);
                    let (name, damage) = name.split_once(", ").unwrap_or((name, ""));
                    scene = is_wanted.then(|| scenes.begin(name));
                    if let (Some(scene), false) = (&scene, damage.is_empty()) {
                        scene.change(damage);
                    }
                }
                Some(("then", name)) if is_wanted => {
                    scene.as_ref().expect("a scene goes on").change(name);
                }
                _ => {}
            }
            if !is_wanted {
                continue;
            }
            let scene = scene
                .as_ref()
                .unwrap_or_else(|| panic!("no scene: {}", block.text));
            ran += 1;
            let printed = block.run(scene);
            if !matches(block.text, &printed) {
                wrong.push(format!("{}\n--- is now ---\n{printed}", block.text));
                updates.push((index, printed));
            }
        }
        assert!(ran > 0, "no block was run");
        if std::env::var_os("SNAPBACK_UPDATE_DOCS").is_some() {
            return self.update(&updates);
        }
        assert!(
            wrong.is_empty(),
            "{}:\n{}",
            self.path.display(),
            wrong.join("\n\n")
        );
    }

    /// Writes what blocks, by their number, print now.
    fn update(&self, updates: &[(usize, String)]) {
        let _turn = UPDATES.lock().expect("no update panicked");
        let mut text = fs::read_to_string(&self.path).expect("a file of the sources");
        for (index, now) in updates {
            let place = blocks(&text)[*index].place.clone();
            text.replace_range(place, now);
        }
        fs::write(&self.path, text).expect("a writable source");
    }
}

impl<'d> Section<'d> {
    pub fn blocks(&self) -> Vec<Block<'d>> {
        blocks(self.text)
    }
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(fence) = text[at..].find("```").map(|fence| at + fence) {
        let (info, rest) = text[fence + 3..].split_once('\n').expect("a block");
        let start = text.len() - rest.len();
        let end = start + rest.find("```").expect("the end of a block");
        let before = text[at..fence].trim_end().lines().last().unwrap_or("");
        let said = before.strip_prefix("<!-- ");
        found.push(Block {
            kind: info.trim(),
            comment: said.and_then(|said| said.strip_suffix(" -->")),
            text: &text[start..end],
            place: start..end,
        });
        at = end + 3;
    }
    found
}

impl Block<'_> {
    /// Whether its first command is one of snapback's.
    fn is_ours(&self) -> bool {
        let first = self.text.trim_start();
        match self.kind {
            "console" => first.starts_with("$ snapback "),
            "sh" => first.starts_with("snapback "),
            // A command that nobody would run.
            _ => {
                assert!(!first.starts_with("$ snapback "), "of no kind: {first}");
                false
            }
        }
    }

    /// The block as it is printed now.
    fn run(&self, scene: &Scene) -> String {
        let mut now = String::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            let command = match (self.kind, line.strip_prefix("$ ")) {
                (_, Some(command)) => command,
                ("sh", None) => line,
                // What an earlier command printed.
                _ => continue,
            };
            now += &format!("{line}\n");
            let mut whole = command.to_owned();
            while whole.ends_with('\\') {
                let next = lines.next().expect("a command that goes on");
                now += &format!("{next}\n");
                whole += &format!("\n{next}");
            }
            let printed = scene.run(&whole);
            match self.kind {
                "console" => now += &printed,
                _ => assert_eq!(scene.code(), 0, "{whole}: {printed}"),
            }
        }
        now
    }
}

/// Whether a block prints what stands there.
fn matches(stands: &str, printed: &str) -> bool {
    fn all(stands: &[String], printed: &[String]) -> bool {
        match stands.split_first() {
            None => printed.is_empty(),
            Some((any, rest)) if any == "..." => {
                (0..=printed.len()).any(|skipped| all(rest, &printed[skipped..]))
            }
            Some((line, rest)) => printed
                .split_first()
                .is_some_and(|(first, later)| is_line(line, first) && all(rest, later)),
        }
    }
    let lines = |text: &str| {
        comparable(text)
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    all(&lines(stands), &lines(printed))
}

fn is_line(stands: &str, printed: &str) -> bool {
    if !stands.contains("...") {
        return stands == printed;
    }
    let pattern = regex::escape(stands).replace(r"\.\.\.", ".*");
    let pattern = Regex::new(&format!("^{pattern}$")).expect("a pattern");
    pattern.is_match(printed)
}

/// Without what differs from run to run.
fn comparable(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, stands_for_it) in [
        (r"sha256:[0-9a-f]{4}\.\.\.", "sha256:DIGEST"),
        (r"-[0-9a-f]{8}\.(parquet|json)", "-ID.$1"),
        (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "TIME"),
        (r"\d+ bytes", "N bytes"),
        (r"\d+(\.\d+)? ?(ns|µs|ms|s)\b", "DURATION"),
    ] {
        let pattern = Regex::new(pattern).expect("a pattern");
        text = pattern.replace_all(&text, stands_for_it).into_owned();
    }
    text
}
