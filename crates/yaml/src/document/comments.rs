//! Which comment belongs to what, by go-yaml's rules.
//!
//! A comment on a line of its own belongs to what follows, unless a blank line sets it apart from that and it stands
//! directly below something, or it stands deeper than what follows: then it belongs to what came before.

use diag::Span;

use super::{Document, Kind, Node};
use crate::error::Error;

/// A comment on lines of its own, without a blank line inside.
struct Block {
    line: usize,
    /// The line below its last.
    after: usize,
    column: usize,
    text: String,
}

/// What of the tree the cursor has come to: an entry of a mapping or an item of a list.
#[derive(Clone, Copy)]
struct Place {
    column: usize,
    /// The key or the dash stands here.
    line: usize,
    depth: usize,
    is_item: bool,
}

pub(super) fn attach(text: &str, document: &mut Document) -> Result<(), Error> {
    let mut cursor = Cursor {
        text,
        at: 0,
        lines: text.match_indices('\n').map(|(at, _)| at + 1).collect(),
        pending: Vec::new(),
        behind: String::new(),
        content_line: None,
        after_dash: false,
    };
    cursor.skip_document_start()?;
    let mut walk = Walk {
        cursor,
        feet: Vec::new(),
        previous: None,
        first: true,
        head: String::new(),
        next_foot: String::new(),
    };
    walk.node(&mut document.root, 0)?;
    walk.end(document);
    Ok(())
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// Where lines begin, but for the first.
    lines: Vec<usize>,
    pending: Vec<Block>,
    /// The comment behind what was read last.
    behind: String,
    /// The line of the last character that is no comment.
    content_line: Option<usize>,
    after_dash: bool,
}

impl Cursor<'_> {
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    fn column(&self, at: usize) -> usize {
        let line = self.line(at);
        let start = if line == 0 { 0 } else { self.lines[line - 1] };
        self.text[start..at].chars().count()
    }

    fn unsupported(&self, what: &str) -> Error {
        let at = self.at.min(self.text.len());
        Error::at(self.text, Span::new(at, at), format!("the layout of {what} cannot be kept"))
    }

    /// Over directives and `---`.
    fn skip_document_start(&mut self) -> Result<(), Error> {
        self.skip();
        if self.text[self.at..].starts_with("---") {
            if !self.pending.is_empty() {
                return Err(self.unsupported("a comment above ---"));
            }
            self.at += 3;
            self.skip();
            if !self.behind.is_empty() {
                return Err(self.unsupported("a comment behind ---"));
            }
        }
        Ok(())
    }

    /// To the next character that is neither white space nor part of a comment.
    fn skip(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{feff}']).len();
            self.at += blank;
            if !self.text[self.at..].starts_with('#') {
                return;
            }
            self.comment();
        }
    }

    fn comment(&mut self) {
        let start = self.at;
        let length = self.text[start..].find('\n').unwrap_or(self.text.len() - start);
        let comment = self.text[start..start + length].trim_end_matches('\r');
        self.at = start + length;
        let line = self.line(start);
        if self.content_line == Some(line) && !self.after_dash {
            self.behind = comment.to_string();
            return;
        }
        let column = self.column(start);
        match self.pending.last_mut() {
            Some(block) if block.after == line && block.column == column => {
                block.text.push('\n');
                block.text.push_str(comment);
                block.after += 1;
            }
            _ => self.pending.push(Block { line, after: line + 1, column, text: comment.to_string() }),
        }
    }

    /// Over something that is no comment.
    fn advance(&mut self, to: usize) {
        let to = to.max(self.at);
        let last = self.text[..to].trim_end().len().max(self.at);
        self.content_line = Some(self.line(last.max(1) - 1));
        self.at = to;
        self.after_dash = false;
    }

    fn indicator(&mut self, indicator: char) -> Result<(), Error> {
        if !self.text[self.at..].starts_with(indicator) {
            return Err(self.unsupported("this mapping or list"));
        }
        self.advance(self.at + 1);
        self.after_dash = indicator == '-';
        Ok(())
    }

    /// Over an anchor and a tag.
    fn properties(&mut self) {
        loop {
            self.skip();
            if !self.text[self.at..].starts_with(['&', '!']) {
                return;
            }
            let rest = &self.text[self.at..];
            let length = rest.find([' ', '\t', '\r', '\n']).unwrap_or(rest.len());
            self.advance(self.at + length);
        }
    }
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    /// Comments below what was read, with the column of the level that they belong to.
    feet: Vec<(usize, String)>,
    previous: Option<Place>,
    first: bool,
    /// The document's own comment.
    head: String,
    /// What go-yaml takes for a comment below the list item that is to come.
    next_foot: String,
}

impl Walk<'_> {
    fn node(&mut self, node: &mut Node, depth: usize) -> Result<(), Error> {
        match &mut node.kind {
            Kind::Mapping { entries, flow: false } => {
                self.cursor.properties();
                self.entries(entries, depth)
            }
            Kind::Sequence { items, flow: false } => {
                self.cursor.properties();
                self.items(items, depth)
            }
            _ => self.leaf(node),
        }
    }

    fn entries(&mut self, entries: &mut [(Node, Node)], depth: usize) -> Result<(), Error> {
        let mut column = 0;
        for at in 0..entries.len() {
            self.cursor.skip();
            let start = self.cursor.at;
            column = self.cursor.column(start);
            let head = self.begin(start, depth, false);
            if at > 0 {
                entries[at - 1].0.foot = self.take_feet(column);
            }
            let (key, value) = &mut entries[at];
            key.head = head;
            self.cursor.properties();
            self.cursor.advance(key.end);
            self.cursor.skip();
            self.cursor.indicator(':')?;
            self.cursor.skip_on_line();
            let is_block =
                matches!(&value.kind, Kind::Mapping { flow: false, .. } | Kind::Sequence { flow: false, .. });
            if is_block {
                self.cursor.properties();
                key.line = std::mem::take(&mut self.cursor.behind);
            }
            self.node(value, depth + 1)?;
        }
        self.look_ahead();
        if let Some((key, _)) = entries.last_mut() {
            key.foot = self.take_feet(column);
        }
        Ok(())
    }

    fn items(&mut self, items: &mut [Node], depth: usize) -> Result<(), Error> {
        let mut column = 0;
        for at in 0..items.len() {
            self.cursor.skip();
            let start = self.cursor.at;
            column = self.cursor.column(start);
            let head = self.begin(start, depth, true);
            let foot = std::mem::take(&mut self.next_foot);
            if at > 0 {
                items[at - 1].foot = self.take_feet(column);
            }
            items[at].head = head;
            self.cursor.indicator('-')?;
            self.node(&mut items[at], depth + 1)?;
            items[at].add_foot(&foot);
        }
        self.look_ahead();
        if let Some(item) = items.last_mut() {
            item.foot = self.take_feet(column);
        }
        Ok(())
    }

    fn leaf(&mut self, node: &mut Node) -> Result<(), Error> {
        let before = self.cursor.pending.len();
        if !matches!(&node.kind, Kind::Scalar { text, .. } if text.is_empty() && node.start >= node.end) {
            self.cursor.properties();
            if self.cursor.pending.len() > before || self.cursor.after_dash && before > 0 {
                return Err(self.cursor.unsupported("a comment between a key and its value"));
            }
            if self.cursor.text[self.cursor.at.min(node.end)..node.end].contains('#')
                && !matches!(node.kind, Kind::Scalar { .. })
            {
                return Err(self.cursor.unsupported("braces with a #"));
            }
            let is_block = self.cursor.text[self.cursor.at..].starts_with(['|', '>']);
            if is_block && self.cursor.text[self.cursor.at..].lines().next().is_some_and(|l| l.contains('#'))
            {
                return Err(self.cursor.unsupported("a comment behind a block scalar's indicator"));
            }
            self.cursor.advance(node.end);
        }
        self.cursor.skip_on_line();
        node.line = std::mem::take(&mut self.cursor.behind);
        Ok(())
    }

    /// Comments up to the next content are read, so that those of a level that ends here are known.
    fn look_ahead(&mut self) {
        self.cursor.skip();
        if self.cursor.at < self.cursor.text.len() {
            let next = Place {
                column: self.cursor.column(self.cursor.at),
                line: self.cursor.line(self.cursor.at),
                depth: 0,
                is_item: self.cursor.text[self.cursor.at..].starts_with('-'),
            };
            self.split(next);
        } else {
            self.split_at_end();
        }
    }

    /// An entry or item begins. Gives the comment above it.
    fn begin(&mut self, start: usize, depth: usize, is_item: bool) -> String {
        let place =
            Place { column: self.cursor.column(start), line: self.cursor.line(start), depth, is_item };
        self.split(place);
        let blocks = std::mem::take(&mut self.cursor.pending);
        let mut heads: Vec<&Block> = blocks.iter().collect();
        if std::mem::take(&mut self.first) {
            // what a blank line sets apart at the top is the document's
            let apart = (0..heads.len()).rev().find(|at| {
                let next = heads.get(at + 1).map_or(place.line, |block| block.line);
                heads[*at].after < next
            });
            if let Some(at) = apart {
                self.head = join(&heads[..=at]);
                heads.drain(..=at);
            }
        }
        self.previous = Some(place);
        self.cursor.content_line = Some(place.line);
        join(&heads)
    }

    /// Takes from the pending comments what belongs to what came before.
    fn split(&mut self, next: Place) {
        let Some(previous) = self.previous else { return };
        let is_child = next.depth > previous.depth;
        if is_child || self.cursor.pending.is_empty() {
            return;
        }
        let content_line = self.cursor.content_line.unwrap_or(previous.line);
        let indent = previous.column;
        let mut levels = Vec::new();
        for (at, block) in self.cursor.pending.iter().enumerate() {
            let (next_line, next_column) =
                self.cursor.pending.get(at + 1).map_or((next.line, next.column), |b| (b.line, b.column));
            let blank_below = block.after < next_line;
            let first = at == 0 && block.line == content_line + 1;
            if blank_below && first {
                levels.resize(at + 1, if block.column < indent { next.column } else { indent });
            } else if next_column < indent && next_column != block.column {
                levels.resize(at + 1, indent);
            }
        }
        for (block, column) in self.cursor.pending.drain(..levels.len()).zip(levels) {
            if next.is_item && block.column < indent && column == next.column {
                self.next_foot = block.text;
                continue;
            }
            self.feet.push((column, block.text));
        }
    }

    fn split_at_end(&mut self) {
        let Some(previous) = self.previous else { return };
        let content_line = self.cursor.content_line.unwrap_or(previous.line);
        if self.cursor.pending.first().is_some_and(|block| block.line == content_line + 1) {
            let block = self.cursor.pending.remove(0);
            self.feet.push((block.column.min(previous.column), block.text));
        }
    }

    /// The comments below the last entry of a level.
    fn take_feet(&mut self, column: usize) -> String {
        let mut taken = Vec::new();
        self.feet.retain(|(at, text)| {
            let is_here = *at >= column;
            if is_here {
                taken.push(text.clone());
            }
            !is_here
        });
        taken.join("\n")
    }

    fn end(mut self, document: &mut Document) {
        self.cursor.skip();
        document.head = self.head;
        let mut rest: Vec<String> = self.feet.into_iter().map(|(_, text)| text).collect();
        rest.extend(
            (!self.cursor.pending.is_empty()).then(|| join(&self.cursor.pending.iter().collect::<Vec<_>>())),
        );
        document.foot = rest.join("\n");
    }
}

impl Cursor<'_> {
    /// To the end of the line, or to what stands on it.
    fn skip_on_line(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
        if self.text[self.at..].starts_with('#') {
            self.comment();
        }
    }
}

/// One text, a blank line where there was one.
fn join(blocks: &[&Block]) -> String {
    let mut text = String::new();
    for (at, block) in blocks.iter().enumerate() {
        if at > 0 {
            text.push_str(if blocks[at - 1].after < block.line { "\n\n" } else { "\n" });
        }
        text.push_str(&block.text);
    }
    text
}
