//! Taking out entries and items, with the comments that are theirs.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::layout::{Layout, Part, Shape, column, is_first_on_line, line_end, line_start};
use super::{Editor, Splice, Step, at};
use crate::error::Error;

impl Editor {
    /// Removes an entry or an item; a collection that becomes empty by it goes too.
    pub fn remove(&mut self, path: &[Step]) -> Result<(), Error> {
        let Some((last, parent)) = path.split_last() else { return Err(self.refusal(0)) };
        match last {
            Step::Index(index) => self.remove_items(parent, &[*index]),
            Step::Key(_) => {
                let mut intended = self.value();
                if at(&intended, path).is_none() {
                    return Ok(());
                }
                let path = with_emptied(&intended, path);
                take(&mut intended, path);
                let splices = self.removal(path)?;
                self.commit(splices, &intended)
            }
        }
    }

    /// Removes items of the list at a path; the list too if none is left.
    pub fn remove_items(&mut self, path: &[Step], indices: &[usize]) -> Result<(), Error> {
        let mut intended = self.value();
        let count = at(&intended, path).and_then(Value::as_array).map_or(0, Vec::len);
        let indices: BTreeSet<usize> = indices.iter().copied().filter(|index| *index < count).collect();
        if indices.is_empty() {
            return Ok(());
        }
        if indices.len() == count {
            let path = with_emptied(&intended, path);
            take(&mut intended, path);
            let splices = self.removal(path)?;
            return self.commit(splices, &intended);
        }
        for index in indices.iter().rev() {
            let item: Vec<Step> = path.iter().cloned().chain([Step::Index(*index)]).collect();
            take(&mut intended, &item);
        }
        let splices = match self.find(path).filter(|spot| spot.reached == path.len()) {
            Some(spot) => self.part_removals(spot.node, &indices)?,
            None => return Err(self.refusal(0)),
        };
        self.commit(splices, &intended)
    }

    fn removal(&self, path: &[Step]) -> Result<Vec<Splice>, Error> {
        let Some((last, parent)) = path.split_last() else { return Err(self.refusal(0)) };
        let Some(spot) = self.find(parent).filter(|spot| spot.reached == parent.len()) else {
            return Err(self.refusal(0));
        };
        let index = spot.node.parts().iter().enumerate().position(|(index, part)| match last {
            Step::Key(key) => part.key.as_ref().is_some_and(|(own, _)| own == key),
            Step::Index(wanted) => *wanted == index,
        });
        let index = index.ok_or_else(|| self.refusal(spot.node.start))?;
        self.part_removals(spot.node, &BTreeSet::from([index]))
    }

    fn part_removals(&self, node: &Layout, indices: &BTreeSet<usize>) -> Result<Vec<Splice>, Error> {
        let (parts, is_flow) = (node.parts(), matches!(node.shape, Shape::Flow(_)));
        let mut splices = Vec::new();
        for index in indices {
            if is_flow {
                splices.extend(self.flow_cuts(parts, *index, node.end));
                continue;
            }
            if let Some(next) = parts.get(index + 1) {
                splices.extend(self.comments_kept(&parts[*index], next));
            }
            splices.push((self.block_range(parts, *index, indices)?, String::new()));
        }
        Ok(splices)
    }

    fn block_range(
        &self,
        parts: &[Part],
        index: usize,
        removed: &BTreeSet<usize>,
    ) -> Result<Range<usize>, Error> {
        let (text, part) = (&self.text, &parts[index]);
        if !is_first_on_line(text, part.start) {
            // `- name: x`, whose other entries stay
            let next = parts.get(index + 1).ok_or_else(|| self.refusal(part.start))?;
            return Ok(part.start..next.start);
        }
        let mut start = line_start(text, part.start);
        let mut end = line_end(text, part.node.end);
        if self.owns_comments(parts, index, removed) {
            start = self.comments_above(start, column(text, part.start));
        }
        let is_blank = |line: &str| line.trim().is_empty();
        let line_above = |at: usize| text[..at].split_inclusive('\n').next_back();
        if line_above(start).is_none_or(is_blank) {
            while end < text.len() && is_blank(&text[end..line_end(text, end)]) {
                end = line_end(text, end);
            }
        }
        if end == text.len() {
            // blank lines may be the end of a block scalar
            let content = index.checked_sub(1).map_or(0, |before| line_end(text, parts[before].node.end));
            while let Some(line) = line_above(start).filter(|line| is_blank(line) && start > content) {
                start -= line.len();
            }
            if !text.ends_with('\n') {
                start = text[..start].trim_end_matches(['\r', '\n']).len();
            }
        }
        Ok(start..end)
    }

    /// The next entry moves up to the dash; the comments over it move above the dash.
    fn comments_kept(&self, part: &Part, next: &Part) -> Option<Splice> {
        let text = &self.text;
        if is_first_on_line(text, part.start) {
            return None;
        }
        let line = line_start(text, part.start);
        let indent = &text[line..line + (text[line..].len() - text[line..].trim_start_matches(' ').len())];
        let between = line_end(text, part.node.end)..line_start(text, next.start);
        let comments: String = text
            .get(between)?
            .split_inclusive('\n')
            .filter(|comment| comment.trim_start().starts_with('#'))
            .map(|comment| format!("{indent}{}", comment.trim_start()))
            .collect();
        (!comments.is_empty()).then_some((line..line, comments))
    }

    /// A comment over an item heads the items below it up to the next comment or blank line: it goes with the last of
    /// them. A comment over an entry of a mapping is the entry's.
    fn owns_comments(&self, parts: &[Part], index: usize, removed: &BTreeSet<usize>) -> bool {
        if parts[index].key.is_some() {
            return true;
        }
        let adjoins =
            |pair: &[Part]| line_end(&self.text, pair[0].node.end) == line_start(&self.text, pair[1].start);
        let headed = 1 + parts[index..].windows(2).take_while(|pair| adjoins(pair)).count();
        (index..index + headed).all(|index| removed.contains(&index))
    }

    /// The start of the comment lines right above a line; of that line if there are none, or if they head the file.
    pub(super) fn comments_above(&self, line: usize, wanted: usize) -> usize {
        let mut start = line;
        while start > 0 {
            let above = line_start(&self.text, start - 1);
            let content = self.text[above..start].trim_start_matches(' ');
            if !content.starts_with('#') || self.text[above..start].len() - content.len() != wanted {
                return start;
            }
            start = above;
        }
        line
    }

    fn flow_cuts(&self, parts: &[Part], index: usize, end: usize) -> Vec<Splice> {
        let cut = |range: Range<usize>| (range, String::new());
        let (text, part) = (&self.text, &parts[index]);
        let next = parts.get(index + 1);
        let before = index.checked_sub(1).map(|before| &parts[before]);
        let line_after = line_end(text, part.node.end);
        let is_alone = is_first_on_line(text, part.start)
            && line_after <= end
            && next.is_none_or(|next| line_after <= next.start);
        match (is_alone, next, before) {
            (true, None, Some(before)) if !text[part.node.end..end].trim_start().starts_with(',') => {
                let comma = before.node.end + text[before.node.end..part.start].find(',').unwrap_or(0);
                vec![cut(comma..comma + 1), cut(line_start(text, part.start)..line_after)]
            }
            (true, ..) => vec![cut(line_start(text, part.start)..line_after)],
            (false, Some(next), _) => vec![cut(part.start..next.start)],
            (false, None, Some(before)) => vec![cut(before.node.end..part.node.end)],
            (false, None, None) => vec![cut(part.start..part.node.end)],
        }
    }
}

/// The path, or the shortest one to a collection that holds nothing else.
fn with_emptied<'a>(root: &Value, mut path: &'a [Step]) -> &'a [Step] {
    while let Some((_, parent)) = path.split_last() {
        let holds_more = match at(root, parent) {
            Some(Value::Object(map)) => map.len() > 1,
            Some(Value::Array(items)) => items.len() > 1,
            _ => true,
        };
        if holds_more || parent.is_empty() {
            break;
        }
        path = parent;
    }
    path
}

fn take(root: &mut Value, path: &[Step]) {
    let Some((last, parent)) = path.split_last() else { return };
    let holder = parent.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(*index),
    });
    match (holder, last) {
        (Some(Value::Object(map)), Step::Key(key)) => drop(map.shift_remove(key)),
        (Some(Value::Array(items)), Step::Index(index)) if *index < items.len() => drop(items.remove(*index)),
        _ => {}
    }
}
