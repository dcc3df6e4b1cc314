//! A small reader of `use` lines and paths: enough for this code base, not for Rust.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::{code, is_word, tokens};

/// One file of the crate, as far as its imports go.
#[derive(Default)]
pub(super) struct File {
    /// Every path that its code names, as written, with the names of lists filled in; with the inline modules around it.
    pub(super) paths: BTreeSet<Vec<String>>,
    /// The names that it re-exports or imports, and the paths that they stand for.
    pub(super) names: BTreeMap<String, Vec<String>>,
}

/// The end of what starts with the brace at `open`.
fn closing(tokens: &[&str], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match *token {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len() - 1
}

/// The paths of a `use` tree from `at` on, each with the name that it is known by, and where the tree ends.
fn tree(tokens: &[&str], mut at: usize, before: &[String]) -> (Vec<(Vec<String>, String)>, usize) {
    let mut path = before.to_vec();
    loop {
        match tokens[at] {
            "{" => {
                let mut found = Vec::new();
                at += 1;
                while tokens[at] != "}" {
                    let (more, end) = tree(tokens, at, &path);
                    found.extend(more);
                    at = if tokens[end] == "," { end + 1 } else { end };
                }
                return (found, at + 1);
            }
            "::" => at += 1,
            "as" => return (vec![(path, tokens[at + 1].to_owned())], at + 2),
            "self" if !before.is_empty() && path.len() == before.len() => at += 1,
            "*" => {
                path.push("*".to_owned());
                return (vec![(path, "*".to_owned())], at + 1);
            }
            word if is_word(word) => {
                path.push(word.to_owned());
                at += 1;
            }
            _ => {
                let name = path.last().cloned().unwrap_or_default();
                return (vec![(path, name)], at);
            }
        }
    }
}

/// Reads what a file imports, re-exports and names by path.
pub(super) fn read(text: &str) -> File {
    let code = code(text);
    let tokens = tokens(&code);
    let mut file = File::default();
    let mut exported = BTreeMap::new();
    let mut mentioned = BTreeSet::new();
    // The ends of the inline modules around a place: inside of them `super` is one less.
    let mut inline: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        inline.retain(|end| at < *end);
        let outer = |path: Vec<String>| outside_of_inline(path, inline.len());
        match tokens[at] {
            // What only tests see.
            "#" if tokens[at..].starts_with(&["#", "[", "cfg", "(", "test", ")", "]"]) => {
                at += 7;
                let end = tokens[at..]
                    .iter()
                    .position(|token| matches!(*token, "{" | ";"));
                at += end.map_or(0, |end| match tokens[at + end] {
                    // A list in braces belongs to an import, which goes on to its semicolon.
                    "{" if !tokens[at..at + end].contains(&"use") => {
                        closing(&tokens, at + end) - at + 1
                    }
                    _ => tokens[at..]
                        .iter()
                        .position(|token| *token == ";")
                        .map_or(end, |end| end + 1),
                });
            }
            "mod" if tokens.get(at + 2) == Some(&";") => at += 3,
            "mod" if tokens.get(at + 2) == Some(&"{") => {
                inline.push(closing(&tokens, at + 2));
                at += 3;
            }
            "use" => {
                let public = at > 0
                    && (tokens[at - 1] == "pub"
                        || (tokens[at - 1] == ")" && follows_pub(&tokens, at)));
                let (found, end) = tree(&tokens, at + 1, &[]);
                for (path, name) in found {
                    let Some(path) = outer(path) else { continue };
                    if name == "*" {
                        file.paths.insert(path);
                    } else if public && inline.is_empty() {
                        exported.insert(name, path);
                    } else {
                        if inline.is_empty() {
                            file.names.insert(name, path.clone());
                        }
                        file.paths.insert(path);
                    }
                }
                at = end;
            }
            word if is_word(word) => {
                let mut path = vec![word.to_owned()];
                while tokens.get(at + 1) == Some(&"::")
                    && tokens.get(at + 2).is_some_and(|next| is_word(next))
                {
                    path.push(tokens[at + 2].to_owned());
                    at += 2;
                }
                mentioned.insert(path[0].clone());
                if let Some(path) = outer(path).filter(|path| path.len() > 1) {
                    file.paths.insert(path);
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    // A re-exported name that the file uses itself is a use.
    let used = exported
        .iter()
        .filter(|(name, _)| mentioned.contains(*name));
    file.paths.extend(used.map(|(_, path)| path.clone()));
    file.names.extend(exported);
    file
}

fn follows_pub(tokens: &[&str], at: usize) -> bool {
    let open = tokens[..at].iter().rposition(|token| *token == "(");
    open.is_some_and(|open| open > 0 && tokens[open - 1] == "pub")
}

/// The path as it would be written outside of `depth` inline modules; `None` when it stays inside.
fn outside_of_inline(path: Vec<String>, depth: usize) -> Option<Vec<String>> {
    let up = path.iter().take_while(|part| *part == "super").count();
    if up == 0 || depth == 0 {
        return Some(path);
    }
    if up < depth {
        return None;
    }
    let mut path = path[depth..].to_vec();
    if up == depth {
        path.insert(0, "self".to_owned());
    }
    Some(path)
}

#[test]
fn uses_are_found_in_every_form() {
    let text = r#"
        use super::{a::A, b};
        pub use c::C;
        pub(crate) use d::*;
        #[cfg(test)]
        use crate::hidden::Hidden;
        mod e;
        /// [`F`](super::f::F)
        fn g() { let _ = ("super::string::S", '"', crate::h::i(), C::new()); }
        mod inline { use super::super::j; use super::own; }
        #[cfg(test)]
        mod tests { use crate::hidden::Hidden; }
        use k::{self, l};
    "#;
    let file = read(text);
    let paths: Vec<String> = file.paths.iter().map(|path| path.join("::")).collect();
    let found = [
        "C::new",
        "c::C",
        "crate::h::i",
        "d::*",
        "k",
        "k::l",
        "self::own",
        "super::a::A",
        "super::b",
        "super::j",
    ];
    assert_eq!(paths, found);
}
