//! Moving text between places: what is moved keeps its comments and quotes, and is indented anew.

use std::ops::Range;

use serde_json::{Map, Value};

use super::layout::{Layout, Part, Shape, column, line_end, line_start};
use super::{Editor, Splice, Step, at, compose, put};
use crate::error::Error;

impl Editor {
    /// Gives the entry at a path another key.
    pub fn rename(&mut self, path: &[Step], key: &str) -> Result<(), Error> {
        let Some((Step::Key(old), parent)) = path.split_last() else { return Err(self.refusal(0)) };
        let mut intended = self.value();
        let renamed = match at(&intended, parent) {
            Some(Value::Object(map)) => {
                map.iter().map(|(k, v)| (if k == old { key } else { k }.to_string(), v.clone())).collect()
            }
            _ => return Err(self.refusal(0)),
        };
        put(&mut intended, parent, Value::Object(renamed));
        let span = match self.find(path).filter(|spot| spot.reached == path.len()).and_then(|s| s.part) {
            Some(Part { key: Some((_, span)), .. }) => *span,
            _ => return Err(self.refusal(0)),
        };
        let new = compose::in_style_of(&self.text[span.start..span.end], &Value::from(key), 0, false);
        self.commit(vec![(span.start..span.end, new)], &intended)
    }

    /// Moves all items of a top-level list to the end of another, which is made in its place if there is none.
    pub fn move_items(&mut self, from: &str, to: &str) -> Result<(), Error> {
        let whole = self.value();
        let items = |key: &str| whole.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let (moved, kept) = (items(from), items(to));
        if moved.is_empty() {
            return self.remove(&[from.into()]);
        }
        if kept.is_empty() {
            self.remove(&[to.into()])?;
            return self.rename(&[from.into()], to);
        }
        let pair = (self.top(from), self.top(to));
        if let (Some(source), Some(target)) = pair
            && let (Shape::BlockSequence(parts), Shape::BlockSequence(targets)) =
                (&source.node.shape, &target.node.shape)
            && let (Some(first), Some(first_target)) = (parts.first(), targets.first())
        {
            let lines = line_end(&self.text, source.intro)..line_end(&self.text, source.node.end);
            let wanted = column(&self.text, first_target.start);
            let lines = self.shifted(lines, column(&self.text, first.start), wanted);
            let above = self.lines_after(target.node.end, lines);
            let splices = vec![above, (self.lines_of(source), String::new())];
            let mut intended = whole;
            if let Value::Object(map) = &mut intended {
                map.shift_remove(from);
                map.insert(to.to_string(), Value::Array(kept.into_iter().chain(moved).collect()));
            }
            return self.commit(splices, &intended);
        }
        self.append(&[to.into()], &moved)?;
        self.remove(&[from.into()])
    }

    /// Turns the top-level mapping `from` into an item of the list `to`: an entry `inner` of a mapping that begins with
    /// the entries `before`.
    pub fn nest(&mut self, from: &str, to: &str, before: &[(&str, Value)], inner: &str) -> Result<(), Error> {
        let mut intended = self.value();
        let Value::Object(root) = &mut intended else { return Err(self.refusal(0)) };
        let Some(moved) = root.get(from).cloned() else { return Ok(()) };
        let mut item: Map<String, Value> = before.iter().map(|(k, v)| (k.to_string(), v.clone())).collect();
        item.insert(inner.to_string(), moved);
        let item = Value::Object(item);
        let in_place = root.get(to).is_none_or(|list| list.as_array().is_none_or(Vec::is_empty));
        let Some(source) = self.top(from) else { return Err(self.refusal(0)) };
        let is_simple =
            matches!(source.node.shape, Shape::BlockMapping(_)) && in_place && root.get(to).is_none();
        if !is_simple {
            self.append(&[to.into()], &[item])?;
            return self.remove(&[from.into()]);
        }
        let key = column(&self.text, source.start);
        let (dash, entry) = (key + self.style.dash, key + self.style.dash + 2);
        let content = line_end(&self.text, source.intro)..line_end(&self.text, source.node.end);
        let had = source.node.parts().first().map_or(entry, |part| column(&self.text, part.start));
        let mut head = String::new();
        for (name, value) in before {
            head.push_str(&self.style.entry(name, value, entry));
        }
        head.push_str(&format!("{}{inner}:\n", " ".repeat(entry)));
        head.replace_range(dash..dash + 1, "-");
        let lines = format!("{head}{}", self.shifted(content.clone(), had, entry + self.style.nested));
        let is_last = content.end == self.text.len() && !self.text.ends_with('\n');
        let lines = if is_last { lines.trim_end_matches('\n') } else { &lines };
        let splices =
            vec![(source.start..source.intro, format!("{to}:")), (content, self.with_line_ends(lines))];
        *root = root
            .iter()
            .map(|(k, v)| match k == from {
                true => (to.to_string(), Value::Array(vec![item.clone()])),
                false => (k.clone(), v.clone()),
            })
            .collect();
        self.commit(splices, &intended)
    }

    /// Turns each scalar of a top-level list into a mapping with the one entry that is named for it.
    pub fn wrap_items(&mut self, list: &str, keys: &[&str]) -> Result<(), Error> {
        let mut intended = self.value();
        let Some(items) = intended.get_mut(list).and_then(Value::as_array_mut) else { return Ok(()) };
        for (item, key) in items.iter_mut().zip(keys) {
            *item = Value::Object(Map::from_iter([(key.to_string(), item.take())]));
        }
        let items = items.clone();
        let Some(part) = self.top(list) else { return Err(self.refusal(0)) };
        let is_flow = matches!(part.node.shape, Shape::Flow(_));
        let mut splices: Vec<Splice> = Vec::new();
        for ((part, key), item) in part.node.parts().iter().zip(keys).zip(&items) {
            let node = &part.node;
            let old = &self.text[node.start..node.end];
            if is_flow {
                splices.push((node.start..node.end, format!("{{{key}: {old}}}")));
            } else if !old.starts_with(['|', '>']) {
                splices.push((node.start..node.start, format!("{key}: ")));
            } else {
                splices.push((part.intro..node.end, self.wrapped_block(part, key, item)));
            }
        }
        self.commit(splices, &intended)
    }

    /// A block scalar as an item becomes one as an entry, two columns deeper.
    fn wrapped_block(&self, part: &Part, key: &str, item: &Value) -> String {
        let Layout { start, end, .. } = part.node;
        let (header, content) = match self.text[start..end].find('\n') {
            Some(newline) => (self.text[start..start + newline].trim_end(), start + newline + 1..end),
            None => (&self.text[start..end], end..end),
        };
        // an explicit indentation is relative to what is around it
        if header.contains(|c: char| c.is_ascii_digit()) {
            let lines = self.style.items(std::slice::from_ref(item), column(&self.text, part.start), 1);
            return self.with_line_ends(&format!(
                " {}",
                lines.trim_start_matches([' ', '-']).trim_end_matches('\n')
            ));
        }
        let lines = self.shifted(content, 0, 2);
        self.with_line_ends(&format!(" {key}: {header}\n{}", lines.strip_suffix('\n').unwrap_or(&lines)))
    }

    fn top(&self, key: &str) -> Option<&Part> {
        let parts = self.layout.as_ref()?.parts();
        parts.iter().find(|part| part.key.as_ref().is_some_and(|(own, _)| own == key))
    }

    /// The lines of an entry, with nothing around them.
    fn lines_of(&self, part: &Part) -> Range<usize> {
        line_start(&self.text, part.start)..line_end(&self.text, part.node.end)
    }

    /// Lines moved from one column to another, each with its line end `\n`.
    fn shifted(&self, lines: Range<usize>, from: usize, to: usize) -> String {
        let mut out = String::new();
        for line in self.text[lines].lines() {
            let content = line.trim_start_matches(' ');
            let indent = (line.len() - content.len() + to).saturating_sub(from);
            if !content.is_empty() {
                out.push_str(&" ".repeat(indent));
            }
            out.push_str(content);
            out.push('\n');
        }
        out
    }
}
