//! Text that is added to a source, and the way back.

use crate::dialect::string_length;
use std::fmt::Write as _;

/// Begins the comment in which additions are noted: for each its place (8 hexadecimal digits), its length (4) and, if
/// it begins a call of a method, the place of the parenthesis of that call (8).
const TABLE: &str = "\n#guards:";
const RECORD: usize = 20;

/// Additions to a source; nothing of it is taken away, but a method's name may be blanked out.
pub(super) struct Edits<'s> {
    source: &'s str,
    /// Place, text, and for a method where its parenthesis was.
    added: Vec<(usize, String, Option<usize>)>,
    /// Places whose bytes are replaced by a blank, or by a comma.
    blanked: Vec<(usize, u8)>,
}

impl<'s> Edits<'s> {
    pub(super) fn new(source: &'s str) -> Edits<'s> {
        Edits { source, added: Vec::new(), blanked: Vec::new() }
    }

    pub(super) fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.added.push((at, text.into(), None));
    }

    /// A call of a method of what begins at `begin`. What is written in an unusual way is left alone.
    pub(super) fn method(
        &mut self,
        begin: usize,
        receiver_end: usize,
        (name, name_end): (usize, usize),
        method: &str,
        has_arguments: bool,
    ) {
        let between = &self.source[receiver_end..name];
        let Some(dot) = between.rfind('.').map(|i| receiver_end + i) else { return };
        let after = &self.source[name_end..];
        let Some(parenthesis) = after.find('(').map(|i| name_end + i) else { return };
        let blank = |text: &str| text.bytes().all(|b| b.is_ascii_whitespace());
        let plain = between.bytes().all(|b| b.is_ascii_whitespace() || matches!(b, b'.' | b')'));
        if !plain || !blank(&self.source[name_end..parenthesis]) {
            return;
        }
        let Some(begin) = self.before_parentheses(begin, unmatched(&self.source[begin..dot])) else { return };
        self.added.push((begin, format!("{}{method}(", super::PREFIX), Some(parenthesis)));
        self.blanked.push((dot, if has_arguments { b',' } else { b' ' }));
        self.blanked.extend((name..name_end).chain([parenthesis]).map(|at| (at, b' ')));
    }

    /// Before as many opening parentheses as close later.
    fn before_parentheses(&self, mut at: usize, count: usize) -> Option<usize> {
        for _ in 0..count {
            let before = self.source[..at].trim_end_matches([' ', '\n', '\r']);
            at = before.strip_suffix('(')?.len();
        }
        Some(at)
    }

    /// `target *= …`, up to `end`.
    pub(super) fn assignment(&mut self, target: (usize, usize), end: usize, operator: &str, guard: &str) {
        let Some(at) = self.source[target.1..end].find(operator) else { return };
        let target_text = &self.source[target.0..target.1];
        if target_text.contains(['\n', '#']) {
            return;
        }
        self.insert(target.1 + at + operator.len(), format!(" {guard}({target_text},"));
        self.insert(end, ")");
    }

    /// The source with all additions. `None`: there are none.
    pub(super) fn applied(mut self) -> Option<String> {
        if self.added.is_empty() {
            return None;
        }
        let mut bytes = self.source.as_bytes().to_vec();
        for (at, byte) in &self.blanked {
            bytes[*at] = *byte;
        }
        let source = String::from_utf8(bytes).expect("only ASCII is replaced, by ASCII");
        // of two at one place the outer, which was met first, begins first
        self.added.sort_by_key(|(at, ..)| *at);
        let ends: Vec<usize> = self.added.iter().map(|(_, text, _)| text.len()).collect();
        let mut out = String::with_capacity(source.len() + ends.iter().sum::<usize>() + 64);
        let (mut table, mut from) = (String::new(), 0);
        for (at, text, parenthesis) in &self.added {
            out.push_str(&source[from..*at]);
            from = *at;
            let length = text.len().min(0xffff);
            let parenthesis = parenthesis.map_or(0, |p| self.moved(p));
            write!(table, "{:08x}{length:04x}{parenthesis:08x}", out.len()).expect("a String takes all");
            out.push_str(text);
        }
        out.push_str(&source[from..]);
        out.push_str(TABLE);
        out.push_str(&table);
        Some(out)
    }

    /// Where a place of the source lies after all additions; they are sorted.
    fn moved(&self, at: usize) -> usize {
        let before = self.added.partition_point(|(place, ..)| *place <= at);
        at + self.added[..before].iter().map(|(_, text, _)| text.len()).sum::<usize>()
    }
}

/// Closing parentheses that nothing in the text opens.
fn unmatched(text: &str) -> usize {
    let (mut open, mut lacking, mut at) = (0usize, 0, 0);
    while let Some(c) = text[at..].chars().next() {
        at += match c {
            '"' | '\'' => string_length(&text[at..]),
            '#' => text[at..].find('\n').unwrap_or(text.len() - at),
            c => c.len_utf8(),
        };
        match c {
            '(' => open += 1,
            ')' if open == 0 => lacking += 1,
            ')' => open -= 1,
            _ => {}
        }
    }
    lacking
}

struct Record {
    at: usize,
    length: usize,
    parenthesis: usize,
}

/// What was added to a text, by place.
struct Table<'t>(&'t str);

impl<'t> Table<'t> {
    fn of(text: &'t str) -> Option<Table<'t>> {
        let last = text.rfind('\n')?;
        text[last..].strip_prefix(TABLE).map(Table)
    }

    fn record(&self, index: usize) -> Record {
        let text = &self.0[index * RECORD..(index + 1) * RECORD];
        let number = |range| usize::from_str_radix(&text[range], 16).unwrap_or_default();
        Record { at: number(0..8), length: number(8..12), parenthesis: number(12..20) }
    }

    /// The first record at or after a place.
    fn first_from(&self, place: usize) -> usize {
        let (mut low, mut high) = (0, self.0.len() / RECORD);
        while low < high {
            let middle = (low + high) / 2;
            if self.record(middle).at < place { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// The column in the Tiltfile (in characters, from 0) of a place of the text that is executed.
pub(crate) fn column(text: &str, line_start: usize, at: usize) -> usize {
    let column = text[line_start..at].chars().count();
    let Some(table) = Table::of(text) else { return column };
    let records = table.first_from(line_start)..table.first_from(at);
    let added: usize = records.map(|i| table.record(i)).map(|r| r.length.min(at - r.at)).sum();
    column - added.min(column)
}

/// The parenthesis of the call that begins at a place, if it is a method that became a guard.
pub(crate) fn call_parenthesis(text: &str, begin: usize) -> Option<usize> {
    let table = Table::of(text)?;
    let index = table.first_from(begin);
    let record = (index < table.0.len() / RECORD).then(|| table.record(index))?;
    (record.at == begin && record.parenthesis > begin).then_some(record.parenthesis)
}
