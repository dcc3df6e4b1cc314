//! No circle of files: what a file uses never uses that file, however long the way round.
//!
//! What only tests see is left out. The line with which a `mod.rs` declares or re-exports a file is no use of that file:
//! through it others find the file, and it is followed to where a name is at home.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::{
    imports::{File, read},
    source_files,
};

/// What is not yet free of circles: a folder, or a file and those that it imports in one.
const NOT_YET_HELD: [&str; 0] = [];

/// The path of a module below the crate: `["format", "apply"]`.
type Module = Vec<String>;

/// The module that a file is: `format/apply.rs` and `format/apply/mod.rs` are both `format::apply`.
fn module_of(path: &Path) -> Module {
    let parts = path.with_extension("");
    let mut parts: Module = parts
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// The files in which the path that `from` names is at home; several for a glob of re-exports.
fn home(
    files: &BTreeMap<Module, File>,
    from: &Module,
    path: &[String],
    steps: usize,
) -> Option<Module> {
    assert!(steps < 32, "{path:?} in {from:?} leads nowhere");
    let mut module = from.clone();
    let mut rest = path;
    match rest.first()?.as_str() {
        "crate" => {
            module.clear();
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|part| part == "super") {
                module.pop();
                rest = &rest[1..];
            }
        }
        first => {
            // A child, or what the file has imported under this name.
            let mut child = module.clone();
            child.push(first.to_owned());
            // An import of another crate's names under the crate's own name leads out.
            let imported = files[from].names.get(first);
            if !files.contains_key(&child) && imported.is_none_or(|path| path[0] == first) {
                return None;
            }
        }
    }
    for (at, part) in rest.iter().enumerate() {
        let mut child = module.clone();
        child.push(part.clone());
        if files.contains_key(&child) {
            module = child;
            continue;
        }
        let file = files.get(&module)?;
        if let Some(stands_for) = file.names.get(part) {
            let mut stands_for = stands_for.clone();
            stands_for.extend(rest[at + 1..].iter().cloned());
            return home(files, &module, &stands_for, steps + 1);
        }
        break;
    }
    files.contains_key(&module).then_some(module)
}

/// Which file uses which.
fn uses(files: &BTreeMap<Module, File>) -> BTreeMap<&Module, BTreeSet<Module>> {
    let of = |(module, file): (&Module, &File)| -> BTreeSet<Module> {
        let homes = file
            .paths
            .iter()
            .filter_map(|path| home(files, module, path, 0));
        homes.filter(|home| home != module).collect()
    };
    files.iter().map(|entry| (entry.0, of(entry))).collect()
}

/// All that can be reached from a file.
fn reachable<'a>(
    uses: &'a BTreeMap<&Module, BTreeSet<Module>>,
    from: &Module,
) -> BTreeSet<&'a Module> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&Module> = uses[from].iter().collect();
    while let Some(module) = next.pop() {
        if found.insert(module) {
            next.extend(&uses[module]);
        }
    }
    found
}

/// The circles, each with its files in order.
fn circles(files: &BTreeMap<Module, File>) -> BTreeSet<Vec<Module>> {
    let uses = uses(files);
    let reachable: BTreeMap<&Module, BTreeSet<&Module>> = files
        .keys()
        .map(|module| (module, reachable(&uses, module)))
        .collect();
    let circle = |module: &Module| -> Vec<Module> {
        let back = |other: &&&Module| reachable[**other].contains(module);
        reachable[module]
            .iter()
            .filter(back)
            .map(|other| (*other).clone())
            .collect()
    };
    files
        .keys()
        .map(circle)
        .filter(|circle| !circle.is_empty())
        .collect()
}

fn sources() -> BTreeMap<Module, File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths: Vec<PathBuf> = Vec::new();
    source_files(&root, &mut paths);
    let read = |path: &PathBuf| {
        let module = module_of(path.strip_prefix(&root).expect("below src"));
        (module, read(&fs::read_to_string(path).expect("text")))
    };
    paths.iter().map(read).collect()
}

fn is_excused(module: &Module) -> bool {
    let path = module.join("::");
    NOT_YET_HELD.iter().any(|excused| {
        let rest = path.strip_prefix(excused);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    })
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let files = sources();
    let found: usize = uses(&files).values().map(BTreeSet::len).sum();
    let wrong: Vec<String> = circles(&files)
        .into_iter()
        .filter(|circle| !circle.iter().any(is_excused))
        .map(|circle| {
            circle
                .iter()
                .map(|module| module.join("::"))
                .collect::<Vec<_>>()
                .join(", ")
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        found > 500,
        "only {found} uses of one file by another were found"
    );
}

#[test]
fn a_circle_is_found_through_re_exports() {
    let files = |list: &[(&str, &str)]| -> BTreeMap<Module, File> {
        let one = |(path, text): &(&str, &str)| (module_of(Path::new(path)), read(text));
        list.iter().map(one).collect()
    };
    let round = files(&[
        ("room/mod.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
        ("room/a.rs", "use super::B; pub struct A(B);"),
        (
            "room/b.rs",
            "pub struct B; pub fn c() { crate::room::A::new() }",
        ),
    ]);
    let circle = ["a", "b"].map(|name| vec!["room".to_owned(), name.to_owned()]);
    assert_eq!(circles(&round), BTreeSet::from([circle.to_vec()]));
    let straight = files(&[
        (
            "room/mod.rs",
            "mod a; mod b; pub use a::A; pub use b::B; pub trait Door {}",
        ),
        ("room/a.rs", "use super::{B, Door}; pub struct A(B);"),
        (
            "room/b.rs",
            "pub struct B; #[cfg(test)] mod tests { use super::super::A; }",
        ),
    ]);
    assert_eq!(circles(&straight), BTreeSet::new());
    // A door that works with what it re-exports is no door only.
    let door = files(&[
        (
            "room/mod.rs",
            "mod a; pub use a::A; pub struct Own; fn make() -> A { A::new() }",
        ),
        ("room/a.rs", "use super::Own; pub struct A(Own);"),
    ]);
    assert_eq!(circles(&door).len(), 1);
}
