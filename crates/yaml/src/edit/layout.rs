//! Where each node's text lies: the tree of a document with the dashes, colons and ends that spans leave out.

use crate::error::Error;
use crate::spanned::{Entry, Node, Spanned};
use diag::Span;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    /// After anchor and tag.
    pub(super) start: usize,
    /// After the last byte of the content; comments and blank lines behind it do not count.
    pub(super) end: usize,
    pub(super) shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// Nothing is written, which means null.
    Empty,
    Scalar,
    Alias,
    Flow(Vec<Part>),
    BlockSequence(Vec<Part>),
    BlockMapping(Vec<Part>),
}

/// An item or an entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// Of the dash or the key.
    pub(super) start: usize,
    /// After the dash or the colon.
    pub(super) intro: usize,
    pub(super) key: Option<(String, Span)>,
    pub(super) node: Layout,
}

impl Layout {
    pub(super) fn parts(&self) -> &[Part] {
        match &self.shape {
            Shape::Flow(parts) | Shape::BlockSequence(parts) | Shape::BlockMapping(parts) => parts,
            _ => &[],
        }
    }

    pub(super) fn is_block(&self) -> bool {
        matches!(self.shape, Shape::BlockSequence(_) | Shape::BlockMapping(_))
    }

    /// Nothing, null, `[]` or `{}`: what a first item can replace.
    pub(super) fn is_vacant(&self, text: &str) -> bool {
        match &self.shape {
            Shape::Empty => true,
            Shape::Scalar => matches!(&text[self.start..self.end], "~" | "null" | "Null" | "NULL"),
            Shape::Flow(parts) => parts.is_empty(),
            _ => false,
        }
    }
}

/// The layout of a document whose tree is known.
pub(super) fn of(text: &str, root: &Spanned) -> Result<Layout, Error> {
    Reader { text }.node(root, root.span.start.min(text.len()))
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    /// A node whose introduction (dash, colon) ends at `intro`.
    fn node(&self, node: &Spanned, intro: usize) -> Result<Layout, Error> {
        let (properties, start) = self.skip_properties(intro);
        if node.is_null() && node.span.start == node.span.end {
            return Ok(Layout { start: properties, end: properties, shape: Shape::Empty });
        }
        if self.text[start..].starts_with('*') {
            return Ok(Layout { start, end: node.span.end, shape: Shape::Alias });
        }
        let first = self.text[start..].chars().next();
        match (&node.node, first) {
            (Node::Scalar(_), _) => Ok(self.scalar(node.span, start)),
            (Node::Sequence(items), Some('[')) => {
                let part = |item: &Spanned| {
                    let node = self.node(item, item.span.start)?;
                    Ok(Part { start: item.span.start, intro: item.span.start, key: None, node })
                };
                let parts = items.iter().map(part).collect::<Result<_, Error>>()?;
                Ok(Layout { start, end: node.span.end, shape: Shape::Flow(parts) })
            }
            (Node::Sequence(items), _) => self.block_sequence(items, start),
            (Node::Mapping(entries), Some('{')) => {
                let parts =
                    self.own(entries, node.span).map(|e| self.entry(e)).collect::<Result<_, Error>>()?;
                Ok(Layout { start, end: node.span.end, shape: Shape::Flow(parts) })
            }
            (Node::Mapping(entries), _) => {
                let parts: Vec<Part> =
                    self.own(entries, node.span).map(|e| self.entry(e)).collect::<Result<_, Error>>()?;
                let last = parts.last().map_or(start, |part| part.node.end);
                // a merge key behind the last entry is in the text and not in the tree
                let end = last.max(self.end_without_comments(start, node.span.end));
                Ok(Layout { start, end, shape: Shape::BlockMapping(parts) })
            }
        }
    }

    /// The entries that are written in the mapping; the others come from merge keys.
    fn own<'e>(&self, entries: &'e [Entry], span: Span) -> impl Iterator<Item = &'e Entry> {
        entries.iter().filter(move |e| (span.start..span.end).contains(&e.key_span.start))
    }

    fn entry(&self, entry: &Entry) -> Result<Part, Error> {
        let colon = self.skip_trivia(entry.key_span.end);
        let colon = if self.text[colon..].starts_with(':') { colon + 1 } else { entry.key_span.end };
        Ok(Part {
            start: entry.key_span.start,
            intro: colon,
            key: Some((entry.key.clone(), entry.key_span)),
            node: self.node(&entry.value, colon)?,
        })
    }

    fn block_sequence(&self, items: &[Spanned], start: usize) -> Result<Layout, Error> {
        let mut parts: Vec<Part> = Vec::with_capacity(items.len());
        for item in items {
            let dash = match parts.last() {
                Some(previous) => self.skip_trivia(previous.node.end),
                None => start,
            };
            if !self.text[dash..].starts_with('-') {
                let span = Span::new(dash, dash);
                return Err(Error::at(self.text, span, "cannot edit a list that is written like this"));
            }
            let node = self.node(item, dash + 1)?;
            parts.push(Part { start: dash, intro: dash + 1, key: None, node });
        }
        let end = parts.last().map_or(start, |part| part.node.end);
        Ok(Layout { start, end, shape: Shape::BlockSequence(parts) })
    }

    fn scalar(&self, span: Span, start: usize) -> Layout {
        let text = self.text;
        let header_end = start + text[start..].find('\n').unwrap_or(text.len() - start);
        let header = text[start..header_end].trim_end();
        let end = if !header.starts_with(['|', '>']) {
            start + text[start..span.end.max(start)].trim_end().len()
        } else if header.split('#').next().unwrap_or("").contains('+') {
            // blank lines at the end are content
            let kept = text[..span.end].trim_end_matches(' ');
            kept.strip_suffix('\n').unwrap_or(kept).len().max(start + header.len())
        } else {
            text[..span.end].trim_end().len().max(start + header.len())
        };
        Layout { start, end, shape: Shape::Scalar }
    }

    /// After blanks, line ends and comments.
    fn skip_trivia(&self, mut at: usize) -> usize {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => at += 1,
                b'#' if at == 0 || bytes[at - 1].is_ascii_whitespace() => at = line_end(self.text, at),
                _ => break,
            }
        }
        at
    }

    /// After anchor and tag: where the last of them ends, and where the content begins.
    fn skip_properties(&self, intro: usize) -> (usize, usize) {
        let mut end = intro;
        loop {
            let at = self.skip_trivia(end);
            if !self.text[at..].starts_with(['&', '!']) {
                return (end, at);
            }
            let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}');
            end = at + self.text[at..].find(ends).unwrap_or(self.text.len() - at);
        }
    }

    /// The end of a stretch of lines without the comments and blank lines at its end.
    fn end_without_comments(&self, start: usize, end: usize) -> usize {
        let mut kept = &self.text[..end.max(start)];
        loop {
            kept = kept.trim_end();
            let line = line_start(kept, kept.len());
            if line < start || !kept[line..].trim_start().starts_with('#') {
                return kept.len().max(start);
            }
            kept = &kept[..line];
        }
    }
}

/// The start of the line that holds `at`.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// After the line end of the line that holds `at`.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// How many columns stand before `at` on its line.
pub(super) fn column(text: &str, at: usize) -> usize {
    text[line_start(text, at)..at].chars().count()
}

/// Whether only blanks stand before `at` on its line.
pub(super) fn is_first_on_line(text: &str, at: usize) -> bool {
    text[line_start(text, at)..at].bytes().all(|b| b == b' ')
}
