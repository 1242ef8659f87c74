//! `<<EOF` marks in RUN, COPY and ADD.

/// A mark as it stands on the instruction's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) name: String,
    pub(crate) strip_tabs: bool,
    /// Variables in the body are expanded unless the name was quoted.
    pub(crate) expand: bool,
    /// Where the mark stands in the text.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Finds the marks outside quotes, in order.
pub(crate) fn marks(text: &str, escape: char) -> Vec<Mark> {
    let mut found = Vec::new();
    let mut quote = None;
    let mut skip = false;
    let mut at = 0;
    while let Some(char) = text[at..].chars().next() {
        let width = char.len_utf8();
        if skip {
            skip = false;
        } else if quote != Some('\'') && char == escape {
            skip = true;
        } else if quote == Some(char) {
            quote = None;
        } else if quote.is_none() && matches!(char, '"' | '\'') {
            quote = Some(char);
        } else if quote.is_none() && text[at..].starts_with("<<") {
            if let Some(mark) = mark(text, at) {
                at = mark.end;
                found.push(mark);
                continue;
            }
            // `<<<` is a here-string of the shell.
            at += text[at..].len() - text[at..].trim_start_matches('<').len();
            continue;
        }
        at += width;
    }
    found
}

fn mark(text: &str, start: usize) -> Option<Mark> {
    let mut rest = text[start..].strip_prefix("<<")?;
    let strip_tabs = rest.starts_with('-');
    rest = rest.strip_prefix('-').unwrap_or(rest);
    let quote = rest.chars().next().filter(|char| matches!(char, '"' | '\''));
    let (name, after) = match quote {
        Some(quote) => rest[1..].split_once(quote)?,
        None => {
            let end = rest
                .find(|char: char| !(char.is_alphanumeric() || matches!(char, '_' | '-' | '.')))
                .unwrap_or(rest.len());
            rest.split_at(end)
        }
    };
    // `1 << 3` is arithmetic, not a document: a name begins with a letter or `_`.
    let good = name.starts_with(|char: char| char.is_alphabetic() || char == '_');
    good.then(|| Mark {
        name: name.to_owned(),
        strip_tabs,
        expand: quote.is_none(),
        start,
        end: text.len() - after.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_outside_quotes() {
        let names = |text: &str| -> Vec<String> {
            marks(text, '\\')
                .into_iter()
                .map(|mark| {
                    format!(
                        "{}{}{}",
                        mark.name,
                        if mark.strip_tabs { "-" } else { "" },
                        if mark.expand { "$" } else { "" }
                    )
                })
                .collect()
        };
        assert_eq!(names("<<EOF"), ["EOF$"]);
        assert_eq!(names("<<-'EOF' /a <<\"b\" /c"), ["EOF-", "b"]);
        assert!(names("echo '<<EOF' \"<<X\" \\<<Y <<<z $((1 << 3)) $((1<<3))").is_empty());
    }
}
