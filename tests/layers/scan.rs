//! Reads Rust just well enough for the rules: words outside of comments and strings, and the heads of paths.

/// One source file: its path under `src/`, its text, and its text with comments and strings blanked out.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (path, text, code) = (path.to_owned(), text.to_owned(), blank(text));
        Self { path, text, code }
    }

    /// The names from the crate's root to this file: `http` and `auth` for `http/auth.rs`.
    pub(crate) fn modules(&self) -> Vec<&str> {
        let path = self.path.trim_end_matches(".rs");
        path.trim_end_matches("/mod").split('/').collect()
    }

    /// A breach, with its place as an editor opens it.
    pub(crate) fn at(&self, offset: usize, what: &str) -> String {
        let line = self.text[..offset].matches('\n').count() + 1;
        format!("src/{}:{line}: {what}", self.path)
    }
}

/// The first name of a path, or of each path of a group: `{clock::Clock, mail}` has two.
pub(crate) fn first_names(path: &str) -> Vec<String> {
    let name = |path: &str| {
        let path = path.trim_start();
        let end = path.find(|c: char| !is_word(c)).unwrap_or(path.len());
        path[..end].to_owned()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let (mut depth, mut names) = (0, vec![name(group)]);
    for (at, c) in group.char_indices() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(&group[at + 1..])),
            _ => {}
        }
    }
    names
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where `word` stands as a whole word.
pub(crate) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let cut = |before: Option<char>, after: Option<char>| {
        !(before.is_some_and(is_word) && after.is_some_and(is_word))
    };
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| {
            let (before, after) = (&text[..*at], &text[at + word.len()..]);
            cut(before.chars().next_back(), word.chars().next())
                && cut(word.chars().next_back(), after.chars().next())
        })
}

/// The code alone: comments and what stands in quotes become spaces, lines stay where they are.
pub(crate) fn blank(text: &str) -> String {
    let (mut code, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(first) = rest.chars().next() {
        let inside_word = code.chars().next_back().is_some_and(is_word);
        let end = match quoted(rest, inside_word) {
            Some(end) => {
                let hide = |c: char| {
                    if c == '\n' {
                        "\n".into()
                    } else {
                        " ".repeat(c.len_utf8())
                    }
                };
                code.extend(rest[..end].chars().map(hide));
                end
            }
            None => {
                code.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[end..];
    }
    code
}

/// The length of the comment, string or character that `text` begins with.
fn quoted(text: &str, inside_word: bool) -> Option<usize> {
    let until = |from: usize, end: &str| {
        text[from..]
            .find(end)
            .map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(until(2, "*/"));
    }
    let raw = text
        .strip_prefix("br")
        .or(text.strip_prefix('r'))
        .unwrap_or("");
    let hashes = raw.len() - raw.trim_start_matches('#').len();
    if !inside_word && raw[hashes..].starts_with('"') {
        let open = text.len() - raw.len() + hashes + 1;
        return Some(until(open, &format!("\"{}", "#".repeat(hashes))));
    }
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    // 'a' is a character, 'a alone is a lifetime.
    let is_lifetime =
        quote == '\'' && !text[1..].starts_with('\\') && text.chars().nth(2) != Some('\'');
    let mut escaped = false;
    let end = text[1..].find(|c| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    (!is_lifetime).then(|| end.map_or(text.len(), |at| at + 2))
}
