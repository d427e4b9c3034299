//! Rust source text as the few tokens that the checks need.
//!
//! Comments, strings, characters and lifetimes vanish, so that what is only spoken of is not taken for what is used.
//! Everything under `#[cfg(test)]` or `#[test]` vanishes too. This is a scanner and no parser: it relies on the source
//! being what rustc accepts.

/// A token, with its line (from 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    pub line: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// An identifier, a keyword or a number.
    Word(String),
    /// `::`
    PathSeparator,
    /// Any other single character.
    Punctuation(char),
}

impl Token {
    pub(super) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn is(&self, punctuation: char) -> bool {
        self.kind == Kind::Punctuation(punctuation)
    }

    pub(super) fn is_separator(&self) -> bool {
        self.kind == Kind::PathSeparator
    }
}

/// Splits `text` into tokens.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut scanner = Scanner {
        rest: text,
        line: 1,
        found: Vec::new(),
    };
    while scanner.step() {}
    scanner.found
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
    found: Vec<Token>,
}

impl Scanner<'_> {
    /// Takes one token, or one thing that is none. Answers whether there is more.
    fn step(&mut self) -> bool {
        let Some(next) = self.rest.chars().next() else {
            return false;
        };
        if self.rest.starts_with("//") {
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.take(block_comment(self.rest));
        } else if let Some(length) = string(self.rest) {
            self.take(length);
        } else if next == '\'' {
            self.take(character_or_lifetime(self.rest));
        } else if next == '_' || next.is_alphanumeric() {
            let length = self
                .rest
                .find(|c: char| c != '_' && !c.is_alphanumeric())
                .unwrap_or(self.rest.len());
            let (word, _) = self.rest.split_at(length);
            self.push(Kind::Word(word.to_owned()));
            self.take(length);
        } else if self.rest.starts_with("::") {
            self.push(Kind::PathSeparator);
            self.take(2);
        } else {
            if !next.is_whitespace() {
                self.push(Kind::Punctuation(next));
            }
            self.take(next.len_utf8());
        }
        true
    }

    fn push(&mut self, kind: Kind) {
        self.found.push(Token {
            kind,
            line: self.line,
        });
    }

    fn take(&mut self, length: usize) {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
    }
}

/// The length of the block comment that `text` begins with; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            match rest.chars().next() {
                Some(c) => at += c.len_utf8(),
                None => break,
            }
        }
    }
    text.len()
}

/// The length of the string literal that `text` begins with, if it begins with one: plain, byte, C, or raw.
fn string(text: &str) -> Option<usize> {
    let prefix = text.find(|c| !matches!(c, 'b' | 'c' | 'r')).unwrap_or(text.len());
    if prefix > 2 {
        return None;
    }
    let (letters, rest) = text.split_at(prefix);
    if letters.ends_with('r') {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let body = rest.get(hashes..)?.strip_prefix('"')?;
        let close = format!("\"{}", "#".repeat(hashes));
        let end = body.find(&close).map_or(body.len(), |at| at + close.len());
        return Some(prefix + hashes + 1 + end);
    }
    let body = rest.strip_prefix('"')?;
    Some(prefix + 1 + escaped(body, '"'))
}

/// The length of a character literal, or of the quote alone where it begins a lifetime.
fn character_or_lifetime(text: &str) -> usize {
    let Some(body) = text.strip_prefix('\'') else {
        return 0;
    };
    let mut characters = body.chars();
    let is_character = match characters.next() {
        Some('\\') => true,
        Some(_) => characters.next() == Some('\''),
        None => false,
    };
    if is_character { 1 + escaped(body, '\'') } else { 1 }
}

/// The length of `body` up to and with its closing `quote`.
fn escaped(body: &str, quote: char) -> usize {
    let mut characters = body.char_indices();
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            return at + quote.len_utf8();
        }
    }
    body.len()
}

/// What remains of a file without its tests.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct WithoutTests {
    /// The code.
    pub tokens: Vec<Token>,
    /// Modules declared for tests only (`#[cfg(test)] mod name;`): their files are tests.
    pub test_modules: Vec<String>,
    /// Whether the whole file is for tests (`#![cfg(test)]`).
    pub all_test: bool,
}

/// Takes out every item that exists for tests only.
pub(super) fn without_tests(tokens: &[Token]) -> WithoutTests {
    let mut kept = WithoutTests::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.is('#') {
            let inner = tokens.get(at + 1).is_some_and(|token| token.is('!'));
            let open = at + 1 + usize::from(inner);
            if tokens.get(open).is_some_and(|token| token.is('[')) {
                let end = closing(tokens, open);
                if is_for_tests(tokens.get(open + 1..end.saturating_sub(1)).unwrap_or_default()) {
                    if inner {
                        return WithoutTests {
                            all_test: true,
                            ..WithoutTests::default()
                        };
                    }
                    at = skip_item(tokens, end, &mut kept.test_modules);
                    continue;
                }
            }
        }
        kept.tokens.push(token.clone());
        at += 1;
    }
    kept
}

/// Whether an attribute is `test`, `cfg(test)`, `cfg(all(test, …))` or a runner's `…::test`.
fn is_for_tests(attribute: &[Token]) -> bool {
    let words: Vec<&str> = attribute.iter().filter_map(Token::word).collect();
    match words.as_slice() {
        ["test", ..] | ["tokio", "test", ..] | ["cfg", "test"] => true,
        ["cfg", "all", conditions @ ..] => conditions.contains(&"test") && !conditions.contains(&"not"),
        _ => false,
    }
}

/// Words with which an item or a statement begins.
const ITEM_KEYWORDS: &[&str] = &[
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "let",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "use",
];

/// The place after the item that begins at `at`, which may carry more attributes first.
fn skip_item(tokens: &[Token], mut at: usize, test_modules: &mut Vec<String>) -> usize {
    let mut previous: Option<&str> = None;
    // A field, a variant or a match arm ends at a comma; in an item, commas are inside it.
    let mut is_item = false;
    while let Some(token) = tokens.get(at) {
        if token.is('{') {
            return closing(tokens, at);
        }
        if token.is(';') || (token.is(',') && !is_item) {
            return at + 1;
        }
        is_item |= token.word().is_some_and(|word| ITEM_KEYWORDS.contains(&word));
        if token.is('}') {
            return at;
        }
        if token.is('(') || token.is('[') {
            at = closing(tokens, at);
            continue;
        }
        if previous == Some("mod")
            && let Some(name) = token.word()
            && tokens.get(at + 1).is_some_and(|token| token.is(';'))
        {
            test_modules.push(name.to_owned());
        }
        previous = token.word();
        at += 1;
    }
    at
}

/// The place after the bracket that closes the one at `open`.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is('(') || token.is('[') || token.is('{') {
            depth += 1;
        } else if token.is(')') || token.is(']') || token.is('}') {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at + 1;
            }
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        without_tests(&tokens(text))
            .tokens
            .iter()
            .filter_map(Token::word)
            .map(ToOwned::to_owned)
            .collect()
    }

    #[test]
    fn comments_strings_characters_and_lifetimes_vanish() {
        let text = r###"
            // one
            /* two /* three */ four */
            fn a<'life>(x: &'life str) { "five \" six"; b"seven"; r#"eight " nine"#; '\''; 'x'; '"'; br"ten"; } z
        "###;
        assert_eq!(words(text), ["fn", "a", "life", "x", "life", "str", "z"]);
    }

    #[test]
    fn lines_are_counted_through_everything() {
        let found = tokens("a\n/*\n\n*/ b \"\n\" c");
        let lines: Vec<usize> = found.iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 4, 5]);
    }

    #[test]
    fn tests_vanish_and_the_code_around_them_stays() {
        let text = "
            use one;
            #[cfg(test)]
            #[expect(x, reason = \"y\")]
            mod tests { use two; fn three() { if true { four } } }
            #[cfg(not(test))] use five;
            #[cfg(any(test, feature = \"sim\"))] use six;
            #[test] fn seven() -> Result<(), E> { eight }
            #[tokio::test(flavor = \"x\")] async fn nine() {}
            struct Ten { #[cfg(test)] eleven: u8, twelve: u8 }
        ";
        let words = words(text);
        for gone in ["two", "three", "four", "seven", "eight", "nine", "eleven"] {
            assert!(!words.iter().any(|word| word == gone), "{gone} in {words:?}");
        }
        for kept in ["one", "five", "six", "Ten", "twelve"] {
            assert!(words.iter().any(|word| word == kept), "{kept} not in {words:?}");
        }
    }

    #[test]
    fn test_modules_in_files_of_their_own_are_named() {
        let kept = without_tests(&tokens(
            "#[cfg(test)] mod tests; #[cfg(test)] pub(crate) mod pair; mod real;",
        ));
        assert_eq!(kept.test_modules, ["tests", "pair"]);
        assert!(without_tests(&tokens("#![cfg(test)] mod x;")).all_test);
    }
}
