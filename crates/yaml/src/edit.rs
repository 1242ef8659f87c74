//! Changes to a document that leave every other byte as it is: comments, layout, quotes, order, line ends.
//!
//! [`Editor`] holds the text. Each operation works out the value that the document should have, changes the text,
//! reads the new text and compares: what would change anything else (an anchor that is used elsewhere, a layout that
//! is not understood) is refused, and the text stays as it was.

mod compose;
mod layout;
mod remove;
mod reshape;

#[cfg(test)]
mod tests;

use std::ops::Range;

use serde_json::{Map, Value};

use crate::Options;
use crate::error::Error;
use crate::read::parse_spanned_with;
use crate::spanned::Spanned;
use compose::Style;
use diag::Span;
use layout::{Layout, Part, Shape, column, is_first_on_line, line_end, line_start};

/// One step from a node to a node in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Step {
        Step::Key(key.to_string())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Step {
        Step::Index(index)
    }
}

/// The text of a stream whose first document is edited.
#[derive(Debug, Clone)]
pub struct Editor {
    text: String,
    options: Options,
    documents: Vec<Spanned>,
    /// None if the document is empty.
    layout: Option<Layout>,
    style: Style,
}

/// What to put where.
type Splice = (Range<usize>, String);

/// The deepest node on a path that exists.
struct Spot<'a> {
    node: &'a Layout,
    part: Option<&'a Part>,
    in_flow: bool,
    /// How many steps of the path lead to it.
    reached: usize,
}

impl Editor {
    pub fn new(text: impl Into<String>, options: &Options) -> Result<Editor, Error> {
        let text = text.into();
        let documents = parse_spanned_with(&text, options)?;
        let layout = documents.first().map(|root| layout::of(&text, root)).transpose()?;
        let style = layout.as_ref().map(|layout| style_of(&text, layout)).unwrap_or_default();
        Ok(Editor { text, options: *options, documents, layout, style })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The document; an empty map if nothing is written.
    pub fn value(&self) -> Value {
        self.documents.first().map_or_else(|| Value::Object(Map::new()), Spanned::to_value)
    }

    pub fn root(&self) -> Option<&Spanned> {
        self.documents.first()
    }

    /// Gives the node at a path a value; mappings on the way there are made.
    pub fn set(&mut self, path: &[Step], value: &Value) -> Result<(), Error> {
        let mut intended = self.value();
        put(&mut intended, path, value.clone()).ok_or_else(|| self.refusal(0))?;
        if intended == self.value() {
            return Ok(());
        }
        let splices = self.set_splices(path, value)?;
        self.commit(splices, &intended)
    }

    /// Gives a block mapping at the top a new entry as its `index`th; elsewhere as [`Editor::set`].
    pub fn insert(&mut self, index: usize, key: &str, value: &Value) -> Result<(), Error> {
        let splice = match self.layout.as_ref().map(|layout| &layout.shape) {
            Some(Shape::BlockMapping(parts))
                if index < parts.len() && is_first_on_line(&self.text, parts[0].start) =>
            {
                let lines = self.style.entry(key, value, column(&self.text, parts[0].start));
                match index.checked_sub(1) {
                    Some(before) => self.lines_after(parts[before].node.end, lines),
                    None => {
                        // above the first entry's own comments, below those that head the file
                        let line = line_start(&self.text, parts[0].start);
                        let start = self.comments_above(line, column(&self.text, parts[0].start));
                        (start..start, self.with_line_ends(&lines))
                    }
                }
            }
            _ => return self.set(&[key.into()], value),
        };
        let mut intended = self.value();
        put(&mut intended, &[key.into()], value.clone()).ok_or_else(|| self.refusal(0))?;
        self.commit(vec![splice], &intended)
    }

    fn set_splices(&self, path: &[Step], value: &Value) -> Result<Vec<Splice>, Error> {
        let Some(spot) = self.find(path) else { return self.add(None, path, value) };
        if spot.reached == path.len() {
            return Ok(self.replace(&spot, value));
        }
        self.add(Some(&spot), &path[spot.reached..], value)
    }

    /// Appends to the list at a path, which is made if there is none.
    pub fn append(&mut self, path: &[Step], items: &[Value]) -> Result<(), Error> {
        if items.is_empty() {
            return Ok(());
        }
        let old = at(&self.documents.first().map_or(Value::Null, Spanned::to_value), path).cloned();
        let mut whole = match old {
            Some(Value::Array(items)) => items,
            None | Some(Value::Null) => Vec::new(),
            Some(_) => return Err(self.refusal(0)),
        };
        whole.extend(items.iter().cloned());
        let whole = Value::Array(whole);
        let mut intended = self.value();
        put(&mut intended, path, whole.clone()).ok_or_else(|| self.refusal(0))?;
        let splices = match self.find(path).filter(|spot| spot.reached == path.len()) {
            Some(Spot { node: Layout { shape: Shape::BlockSequence(parts), end, .. }, .. }) => {
                let column = parts.first().map_or(0, |part| column(&self.text, part.start));
                vec![self.lines_after(*end, self.style.items(items, column, gap(&self.text, parts)))]
            }
            Some(Spot { node: Layout { shape: Shape::Flow(parts), end, .. }, .. }) if !parts.is_empty() => {
                self.flow_insert(parts, *end, &items.iter().map(compose::flow).collect::<Vec<_>>())
            }
            _ => self.set_splices(path, &whole)?,
        };
        self.commit(splices, &intended)
    }

    /// The deepest node on the way to a path; nothing if the document is empty.
    fn find(&self, path: &[Step]) -> Option<Spot<'_>> {
        let mut node = self.layout.as_ref()?;
        let mut spot = Spot { node, part: None, in_flow: false, reached: 0 };
        for step in path {
            let part = match step {
                Step::Key(key) => {
                    node.parts().iter().find(|part| part.key.as_ref().is_some_and(|(own, _)| own == key))
                }
                Step::Index(index) => node.parts().get(*index).filter(|part| part.key.is_none()),
            };
            let Some(part) = part else { break };
            let in_flow = spot.in_flow || matches!(node.shape, Shape::Flow(_));
            node = &part.node;
            spot = Spot { node, part: Some(part), in_flow, reached: spot.reached + 1 };
        }
        Some(spot)
    }

    fn replace(&self, spot: &Spot<'_>, value: &Value) -> Vec<Splice> {
        let (text, node) = (&self.text, spot.node);
        let Some(part) = spot.part else {
            let lines = compose::scalar(value, 0);
            return vec![(node.start..node.end, lines)];
        };
        let old = &text[node.start..node.end];
        let is_new_collection = match value {
            Value::Array(items) => !items.is_empty(),
            Value::Object(map) => !map.is_empty(),
            _ => false,
        };
        let indent = column(text, part.start);
        if node.shape == Shape::Empty && (spot.in_flow || !is_new_collection) {
            let new = compose::in_style_of("", value, indent, spot.in_flow);
            return vec![(node.end..node.end, format!(" {new}"))];
        }
        if spot.in_flow {
            return vec![(node.start..node.end, compose::in_style_of(old, value, indent, true))];
        }
        if !is_new_collection {
            let new = compose::in_style_of(old, value, indent, false);
            let from = if node.is_block() { part.intro } else { node.start };
            let blank = if node.is_block() { " " } else { "" };
            return vec![(from..node.end, format!("{blank}{new}"))];
        }
        if part.key.is_none() {
            let lines = self.style.items(std::slice::from_ref(value), indent, 1);
            let lines = lines.trim_start_matches([' ', '-']).trim_end_matches('\n');
            return vec![(part.intro..node.end, format!(" {}", self.with_line_ends(lines)))];
        }
        let composed = self.style.after_colon(value, indent);
        let lines = composed.trim_start_matches(":\n");
        if node.is_block() {
            return vec![(part.intro..node.end, self.with_line_ends(&format!("\n{lines}")))];
        }
        // what stands behind the old value on its line, a comment, stays there
        let kept = text[part.intro..node.start].trim_end().len();
        vec![
            (part.intro + kept..node.end.max(part.intro + kept), String::new()),
            self.lines_after(node.end, format!("{lines}\n")),
        ]
    }

    /// Adds an entry, under the keys that are missing, to the mapping at a spot.
    fn add(&self, spot: Option<&Spot<'_>>, missing: &[Step], value: &Value) -> Result<Vec<Splice>, Error> {
        let place = spot.map_or(0, |spot| spot.node.start);
        let Some((Step::Key(key), deeper)) = missing.split_first() else { return Err(self.refusal(place)) };
        let mut inner = value.clone();
        for step in deeper.iter().rev() {
            let Step::Key(key) = step else { return Err(self.refusal(place)) };
            inner = Value::Object(Map::from_iter([(key.clone(), inner)]));
        }
        let Some(spot) = spot else {
            return Ok(vec![self.lines_after(self.text.len(), self.style.entry(key, &inner, 0))]);
        };
        let node = spot.node;
        if node.is_vacant(&self.text) {
            return match spot.part {
                Some(_) => Ok(self.replace(spot, &Value::Object(Map::from_iter([(key.clone(), inner)])))),
                None => {
                    Ok(vec![(node.start..node.end, self.style.entry(key, &inner, 0).trim_end().to_string())])
                }
            };
        }
        match &node.shape {
            Shape::BlockMapping(parts) => {
                let column = column(&self.text, parts.first().map_or(node.start, |part| part.start));
                let mut lines = self.style.entry(key, &inner, column);
                let below = &self.text[line_end(&self.text, node.end)..];
                let is_apart = below.lines().next().is_none_or(|line| line.trim().is_empty());
                if spot.part.is_none() && is_apart && self.has_blank_lines_between(parts) {
                    lines.insert(0, '\n');
                }
                Ok(vec![self.lines_after(node.end, lines)])
            }
            Shape::Flow(parts) if parts.iter().all(|part| part.key.is_some()) => {
                Ok(self.flow_insert(parts, node.end, &[compose::flow_entry(key, &inner)]))
            }
            _ => Err(self.refusal(place)),
        }
    }

    /// Whether the writer keeps the entries apart by blank lines.
    fn has_blank_lines_between(&self, parts: &[Part]) -> bool {
        let apart = |pair: &[Part]| {
            let between = &self.text[pair[0].node.end..pair[1].start];
            between.replace('\r', "").contains("\n\n")
        };
        // apiVersion and kind stand together everywhere
        let is_type =
            |part: &Part| part.key.as_ref().is_some_and(|(key, _)| key == "apiVersion" || key == "kind");
        let mut pairs = parts.windows(2).filter(|pair| !is_type(&pair[0])).peekable();
        pairs.peek().is_some() && pairs.all(apart)
    }

    /// Puts more into a flow collection that is not empty.
    fn flow_insert(&self, parts: &[Part], end: usize, new: &[String]) -> Vec<Splice> {
        let text = &self.text;
        let Some(last) = parts.last() else { return Vec::new() };
        let last_end = last.node.end;
        let has_comma = text[last_end..end].trim_start().starts_with(',');
        let line_after = line_end(text, last_end);
        if line_after >= end || !is_first_on_line(text, last.start) {
            let comma = text[last_end..end].find(',').filter(|_| has_comma);
            return match comma {
                Some(at) => vec![(last_end + at + 1..last_end + at + 1, format!(" {},", new.join(", ")))],
                None => vec![(last_end..last_end, format!(", {}", new.join(", ")))],
            };
        }
        let indent = " ".repeat(column(text, last.start));
        let mut lines: Vec<String> = new.iter().map(|item| format!("{indent}{item},")).collect();
        let mut splices = Vec::new();
        if !has_comma {
            splices.push((last_end..last_end, ",".to_string()));
            if let Some(line) = lines.last_mut() {
                line.pop();
            }
        }
        splices.push((line_after..line_after, self.with_line_ends(&format!("{}\n", lines.join("\n")))));
        splices
    }

    /// Puts lines below the line that holds `at`. A missing line end at the end of the text stays missing.
    fn lines_after(&self, at: usize, lines: String) -> Splice {
        let after = line_end(&self.text, at);
        let lines = if after == self.text.len() && !self.text.is_empty() && !self.text.ends_with('\n') {
            format!("\n{}", lines.trim_end_matches('\n'))
        } else {
            lines
        };
        (after..after, self.with_line_ends(&lines))
    }

    /// Line ends as the document has them.
    fn with_line_ends(&self, lines: &str) -> String {
        let is_dos = self.text.find('\n').is_some_and(|at| self.text[..at].ends_with('\r'));
        if is_dos { lines.replace('\n', "\r\n") } else { lines.to_string() }
    }

    /// Takes over the changed text if it means what is intended.
    fn commit(&mut self, mut splices: Vec<Splice>, intended: &Value) -> Result<(), Error> {
        splices.sort_by_key(|(range, _)| (range.start, range.end));
        let place = splices.first().map_or(0, |(range, _)| range.start);
        let mut text = String::with_capacity(self.text.len() + 64);
        let mut copied = 0;
        for (range, new) in &splices {
            let start = range.start.max(copied);
            text.push_str(&self.text[copied..start]);
            text.push_str(new);
            copied = range.end.max(start);
        }
        text.push_str(&self.text[copied..]);
        let edited = Editor::new(text, &self.options).map_err(|_| self.refusal(place))?;
        let others = |editor: &Editor| -> Vec<Value> {
            editor.documents.iter().skip(1).map(Spanned::to_value).collect()
        };
        if edited.value() != *intended || others(&edited) != others(self) {
            return Err(self.refusal(place));
        }
        *self = edited;
        Ok(())
    }

    fn refusal(&self, place: usize) -> Error {
        let place = place.min(self.text.len());
        let end = place + self.text[place..].lines().next().map_or(0, str::len);
        Error::at(&self.text, Span::new(place, end), "this cannot be edited without changing something else")
            .hint("an anchor, a merge key or an unusual layout is in the way: edit the file by hand")
    }
}

/// How many blanks stand behind the dashes of a list.
fn gap(text: &str, parts: &[Part]) -> usize {
    let blanks =
        |part: &Part| text.get(part.intro..part.node.start).filter(|gap| gap.bytes().all(|b| b == b' '));
    parts.first().and_then(blanks).map_or(1, str::len).max(1)
}

fn style_of(text: &str, root: &Layout) -> Style {
    let mut style = Style::default();
    let mut has_dash = false;
    let mut has_nested = false;
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        let is_mapping = matches!(node.shape, Shape::BlockMapping(_));
        for part in node.parts().iter().rev() {
            open.push(&part.node);
        }
        for part in node.parts().iter().filter(|_| is_mapping) {
            let Some(first) = part.node.parts().first() else { continue };
            let deeper = column(text, first.start).saturating_sub(column(text, part.start));
            match part.node.shape {
                Shape::BlockSequence(_) if !has_dash => (style.dash, has_dash) = (deeper, true),
                Shape::BlockMapping(_) if !has_nested => (style.nested, has_nested) = (deeper.max(1), true),
                _ => {}
            }
        }
    }
    style
}

fn at<'a>(value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(*index),
    })
}

/// Puts a value at a path; nothing if something other than a mapping is in the way.
fn put(root: &mut Value, path: &[Step], new: Value) -> Option<()> {
    let mut value = root;
    for step in path {
        if value.is_null() || value.as_array().is_some_and(|items| items.is_empty()) {
            *value = Value::Object(Map::new());
        }
        value = match (step, value) {
            (Step::Key(key), Value::Object(map)) => map.entry(key.clone()).or_insert(Value::Null),
            (Step::Index(index), Value::Array(items)) => items.get_mut(*index)?,
            _ => return None,
        };
    }
    *value = new;
    Some(())
}
