//! Reads the sources of `src/protocol/` and asks that every atomic operation there names a row of its file's
//! ordering-site table, and that no other source knows of the model checkers. The type of a site keeps raw orderings out of
//! the atomics of `sync`; this keeps other atomics, and sites that no table has, out of the protocols.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A word, a number, a string, or one sign.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

impl Token {
    fn is(&self, text: &str) -> bool {
        match self {
            Token::Word(word) => word == text,
            Token::Text(_) => false,
            Token::Sign(sign) => text.chars().eq([*sign]),
        }
    }
    fn word(&self) -> &str {
        if let Token::Word(word) = self { word } else { "" }
    }
}

/// The tokens of a Rust source, without comments. Lifetimes come out as a sign and a word.
fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = vec![];
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").expect("a comment ends") + 2
        } else if first == '"' {
            let end = end_of_text(rest);
            tokens.push(Token::Text(rest[1..end].into()));
            end + 1
        } else if let Some(length) = character_length(rest) {
            length
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..length].into()));
            length
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Sign(first));
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// Where the quote is that ends the text which `source` begins with.
fn end_of_text(source: &str) -> usize {
    let mut escaped = false;
    let mut inside = source.char_indices().skip(1);
    let end = inside.find(|&(_, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.expect("a text ends").0
}

/// The length of the character literal which `source` begins with, if it does.
fn character_length(source: &str) -> Option<usize> {
    let inside = source.strip_prefix('\'')?;
    if let Some(escape) = inside.strip_prefix('\\') {
        return Some(escape[1..].find('\'')? + 4);
    }
    let length = inside.chars().next()?.len_utf8();
    inside[length..].starts_with('\'').then_some(length + 2)
}

/// The arguments of the call whose parenthesis opens at `open`, as tokens without spaces between them.
fn arguments(tokens: &[Token], open: usize) -> Vec<String> {
    let (mut depth, mut arguments) = (0, vec![String::new()]);
    for token in &tokens[open..] {
        let sign = if let Token::Sign(sign) = token { *sign } else { ' ' };
        depth -= i32::from(")]}".contains(sign));
        match sign {
            ')' if depth == 0 => break,
            ',' if depth == 1 => arguments.push(String::new()),
            _ if depth > 0 => {
                let last = arguments.last_mut().expect("never empty");
                match token {
                    Token::Word(word) => last.push_str(word),
                    Token::Text(text) => last.push_str(text),
                    Token::Sign(sign) => last.push(*sign),
                }
            }
            _ => {}
        }
        depth += i32::from("([{".contains(sign));
    }
    // A comma may follow the last argument.
    if arguments.last().is_some_and(String::is_empty) {
        arguments.pop();
    }
    arguments
}

/// The functions of `sync` that take a site, which are the atomic operations and the fence.
fn operations(sync: &str) -> BTreeSet<String> {
    let tokens = tokens(sync);
    let functions = tokens.windows(3).enumerate().filter(|(_, w)| w[0].is("fn") && w[2].is("("));
    functions
        .filter(|(at, _)| arguments(&tokens, at + 2).iter().any(|argument| argument == "site:Site"))
        .map(|(_, w)| w[1].word().to_string())
        .collect()
}

/// The rows of the file's table, name and reason.
fn table(tokens: &[Token]) -> Vec<(String, String)> {
    let Some(start) = tokens.windows(3).position(|w| w[0].is("ordering_sites") && w[1].is("!") && w[2].is("{")) else {
        return vec![];
    };
    // NAME = Ordering : "reason" ;
    tokens[start..]
        .windows(6)
        .take_while(|w| !w[0].is("}"))
        .filter_map(|w| match w {
            [Token::Word(name), equal, Token::Word(_), colon, Token::Text(reason), end]
                if equal.is("=") && colon.is(":") && end.is(";") =>
            {
                Some((name.clone(), reason.clone()))
            }
            _ => None,
        })
        .collect()
}

/// What must not stand in a protocol, since it lets an operation past the table, or past the checkers.
const FORBIDDEN: &[&str] = &[
    "Ordering",
    "atomic",
    "core::sync",
    "std::sync",
    "cell::{",
    "cell::UnsafeCell",
    "std::thread",
    "asm!",
    "Site::",
    "Site {",
    "loom",
    "shuttle",
];

/// What is wrong with a protocol's source.
fn complaints(source: &str, operations: &BTreeSet<String>) -> Vec<String> {
    let tokens = tokens(source);
    let rows = table(&tokens);
    let declared: BTreeSet<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    let (mut used, mut complaints) = (BTreeSet::new(), vec![]);
    let has = |words: &str| {
        let wanted = self::tokens(words);
        tokens.windows(wanted.len()).any(|w| w == wanted)
    };
    for &forbidden in FORBIDDEN {
        if has(forbidden) {
            complaints.push(format!("`{forbidden}` has no place in a protocol"));
        }
    }
    // A `Cell` keeps its owner on one thread, unless somebody promises otherwise.
    if has("cell::Cell") && has("unsafe impl") {
        complaints.push("a `Cell` beside an `unsafe impl`: is it still one thread's?".into());
    }
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        let follows_path = at > 0 && [".", ":"].iter().any(|sign| tokens[at - 1].is(sign));
        if operations.contains(token.word()) && next.is_some_and(|next| next.is("(")) {
            let last = arguments(&tokens, at + 1).pop().unwrap_or_default();
            match last.strip_prefix("site::") {
                Some(name) => drop(used.insert(name.to_string())),
                None if last == "RELAXED" => {}
                None => complaints.push(format!("`{}` is called with `{last}` for its ordering", token.word())),
            }
        } else if operations.contains(token.word()) && follows_path {
            complaints.push(format!("`{}` is named without being called", token.word()));
        }
    }
    let used: BTreeSet<&str> = used.iter().map(String::as_str).collect();
    complaints.extend(declared.difference(&used).map(|name| format!("site {name} is not used")));
    complaints.extend(used.difference(&declared).map(|name| format!("site {name} is not declared")));
    if rows.len() != declared.len() {
        complaints.push("a site is declared twice".into());
    }
    for (name, reason) in &rows {
        if reason.trim().is_empty() {
            complaints.push(format!("site {name} has no reason"));
        }
        // "event_count.NOTIFY_FENCE" would be a word of its own: reasons speak of sites of their own table.
        let words = reason.split(|c: char| !c.is_alphanumeric() && c != '_');
        for word in words.filter(|word| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')) {
            if !declared.contains(word) {
                complaints.push(format!("the reason of site {name} speaks of {word}, which is not in the table"));
            }
        }
    }
    complaints
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The Rust sources below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => found.extend(sources(&path)),
            Some(extension) if extension == "rs" => found.push(path),
            _ => {}
        }
    }
    found
}

#[test]
fn every_atomic_operation_names_its_site() {
    let operations = operations(&read(&root().join("src/sync.rs")));
    let protocols = sources(&root().join("src/protocol"));
    let mut found = vec![];
    for path in &protocols {
        let name = path.file_name().unwrap().to_string_lossy();
        found.extend(complaints(&read(path), &operations).into_iter().map(|what| format!("{name}: {what}")));
    }
    assert!(found.is_empty(), "in src/protocol:\n{}", found.join("\n"));
}

#[test]
fn every_table_is_listed() {
    let list = tokens(&read(&root().join("src/protocol/mod.rs")));
    for path in sources(&root().join("src/protocol")) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let listed = list.windows(4).any(|w| w[0].is(&name) && w[1].is(":") && w[2].is(":") && w[3].is("SITES"));
        let has_table = !table(&tokens(&read(&path))).is_empty();
        assert_eq!(has_table, listed, "{name}: has a table (left), is in `protocol::SITES` (right)");
    }
}

#[test]
fn only_sync_knows_of_the_checkers() {
    for path in sources(&root().join("src")) {
        let name = path.file_name().unwrap().to_string_lossy();
        if name == "sync.rs" || name == "sync_checked.rs" {
            continue;
        }
        for token in tokens(&read(&path)) {
            let text = if let Token::Text(text) = &token { text.as_str() } else { token.word() };
            assert!(text != "loom" && text != "shuttle", "{} speaks of {text}; only sync may", path.display());
        }
    }
}

#[test]
fn the_operations_of_sync_are_found() {
    let found = operations(&read(&root().join("src/sync.rs")));
    let expected =
        "load store swap fetch_add fetch_sub fetch_and fetch_or compare_exchange compare_exchange_weak fence";
    assert_eq!(found, expected.split(' ').map(String::from).collect());
}

/// A protocol with nothing to complain of.
const RIGHT: &str = r#"
use crate::sync::{AtomicU32, RELAXED, fence, ordering_sites};
ordering_sites! {
    "small":
    SEND = Release: "pairs with RECEIVE; a ; and a } are no end";
    RECEIVE = Acquire: "pairs with SEND";
    FENCE = SeqCst: "the look comes after";
}
// self.word.load(Ordering::SeqCst) in a comment is no operation.
fn all(word: &AtomicU32, other: &AtomicU32) -> u32 {
    word.store(other.load(RELAXED), site::SEND);
    fence(site::FENCE);
    let _ = word.compare_exchange(
        f(1, 2),
        '\'' as u32,
        RELAXED,
    );
    word.load(site::RECEIVE)
}
"#;

#[test]
fn each_way_past_the_table_is_seen() {
    let operations = operations(&read(&root().join("src/sync.rs")));
    assert_eq!(complaints(RIGHT, &operations), [""; 0]);
    let ways = [
        ("site::RECEIVE)", "Ordering::Acquire)"),
        ("site::RECEIVE)", "RECEIVE)"),
        ("site::RECEIVE)", "super::queue::site::RECEIVE)"),
        ("site::RECEIVE)", "site::SEND)"),
        ("site::RECEIVE)", "if late { RELAXED } else { site::RECEIVE })"),
        ("site::RECEIVE)", "site::ELSEWHERE)"),
        ("fence(site::FENCE)", "fence(any)"),
        ("fence(site::FENCE);", ""),
        ("        RELAXED,\n", "        some,\n"),
        ("other.load(RELAXED)", "other.load(SITES[0])"),
        ("other.load(RELAXED)", "[other].map(AtomicU32::load)"),
        ("use crate::sync::{AtomicU32, ", "use core::sync::atomic::AtomicU32; use crate::sync::{"),
        ("use crate::sync::{AtomicU32, ", "use core::cell::UnsafeCell; use crate::sync::{AtomicU32, "),
        ("use crate::sync::{AtomicU32, ", "use core::cell::Cell; unsafe impl X for Y {} use crate::sync::{AtomicU32, "),
        ("site::RECEIVE)", "crate::sync::Site::new(\"small.NEW\", order, \"\"))"),
        ("\"the look comes after\"", "\" \""),
        ("\"the look comes after\"", "\"against ANNOUNCE\""),
        ("    FENCE = SeqCst", "    SEND = Release: \"again\";\n    FENCE = SeqCst"),
    ];
    for (right, wrong) in ways {
        let source = RIGHT.replacen(right, wrong, 1);
        assert_ne!(source, RIGHT, "{right} is in the source");
        assert_ne!(complaints(&source, &operations), [""; 0], "{wrong} is not seen");
    }
}
