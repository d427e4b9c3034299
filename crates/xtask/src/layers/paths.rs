//! The paths (`a::b::c`) that a stretch of code names, with imports written out in full.

use super::lexer::Token;

/// A path as written, with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub segments: Vec<String>,
    pub line: usize,
}

/// Every path of two or more segments. `use a::{b, c::d}` names `a::b` and `a::c::d`.
pub(super) fn paths(tokens: &[Token]) -> Vec<Path> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at = if token.word().is_some() {
            path(tokens, at, &[], &mut found)
        } else {
            at + 1
        };
    }
    found.retain(|path| path.segments.len() > 1);
    found
}

/// Takes the path that begins at `at`, below `prefix`, and answers the place after it.
fn path(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Path>) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(word) = tokens.get(at).and_then(Token::word) {
        segments.push(word.to_owned());
        at += 1;
        if !tokens.get(at).is_some_and(Token::is_separator) {
            break;
        }
        match tokens.get(at + 1) {
            Some(next) if next.word().is_some() => at += 1,
            Some(next) if next.is('{') => return group(tokens, at + 2, &segments, found),
            Some(next) if next.is('*') => {
                segments.push("*".to_owned());
                at += 2;
                break;
            }
            // A turbofish: what it holds are paths of their own.
            _ => break,
        }
    }
    found.push(Path { segments, line });
    at
}

/// Takes the inside of `prefix::{…}`, from after its brace, and answers the place after the closing one.
fn group(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Path>) -> usize {
    while let Some(token) = tokens.get(at) {
        if token.is('}') {
            return at + 1;
        }
        at = if token.is('*') {
            let mut segments = prefix.to_vec();
            segments.push("*".to_owned());
            found.push(Path {
                segments,
                line: token.line,
            });
            at + 1
        } else if token.word() == Some("as") {
            at + 2
        } else if token.word().is_some() {
            path(tokens, at, prefix, found)
        } else {
            at + 1
        };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::super::lexer::tokens;
    use super::*;

    fn named(text: &str) -> Vec<String> {
        paths(&tokens(text))
            .iter()
            .map(|path| path.segments.join("::"))
            .collect()
    }

    #[test]
    fn imports_are_written_out() {
        assert_eq!(
            named("use std::{fs::{self, File as F}, io, net::*}; use a::b as c; use plain;"),
            ["std::fs::self", "std::fs::File", "std::io", "std::net::*", "a::b"]
        );
    }

    #[test]
    fn expressions_and_types_name_paths() {
        assert_eq!(
            named("let x: Vec<std::fs::File> = Vec::<rand::Rng>::new(); ::std::thread::spawn(f)"),
            ["std::fs::File", "rand::Rng", "std::thread::spawn"]
        );
    }

    #[test]
    fn a_path_has_the_line_of_its_first_segment() {
        let found = paths(&tokens("x;\n\nstd::fs::read(y)"));
        assert_eq!(found[0].line, 3);
    }
}
