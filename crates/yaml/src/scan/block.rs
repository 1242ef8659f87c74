//! Block scalars: `|` keeps lines, `>` folds them.

use std::borrow::Cow;

use super::{Kind, Mark, Result, Scanner};

#[derive(Clone, Copy, PartialEq)]
enum Chomp {
    Strip,
    Clip,
    Keep,
}

impl Scanner<'_> {
    pub(super) fn block_scalar(&mut self, literal: bool) -> Result<()> {
        let start = self.cursor.mark;
        self.cursor.skip_ascii(1);
        let (chomp, increment) = self.block_header(start)?;
        // 0 until the first line with content tells it
        let mut indent = if increment > 0 { self.floor.saturating_sub(1) + increment } else { 0 };
        let mut value = String::new();
        let mut breaks = String::new();
        let mut line_break = "";
        let mut after_blank = false;
        let mut end = self.block_breaks(start, &mut indent, &mut breaks)?;
        while self.cursor.mark.column == indent && !self.cursor.is_end() {
            let blank = self.cursor.is_blank(0);
            if !literal && line_break.starts_with('\n') && !after_blank && !blank {
                if breaks.is_empty() {
                    value.push(' ');
                }
            } else {
                value.push_str(line_break);
            }
            value.push_str(&breaks);
            breaks.clear();
            after_blank = blank;
            let from = self.cursor.mark.byte;
            self.cursor.skip_to_break();
            value.push_str(self.cursor.since(from));
            line_break = self.cursor.skip_break();
            end = self.block_breaks(start, &mut indent, &mut breaks)?;
        }
        if chomp != Chomp::Strip {
            value.push_str(line_break);
        }
        if chomp == Chomp::Keep {
            value.push_str(&breaks);
        }
        self.push(Kind::Scalar { value: Cow::Owned(value), plain: false }, start, end);
        Ok(())
    }

    /// The rest of the line with `|` or `>`: chomping and indentation in either order, and a comment.
    fn block_header(&mut self, start: Mark) -> Result<(Chomp, usize)> {
        let mut chomp = None;
        let mut increment = 0;
        for _ in 0..2 {
            match self.cursor.peek(0) {
                b'+' if chomp.is_none() => chomp = Some(Chomp::Keep),
                b'-' if chomp.is_none() => chomp = Some(Chomp::Strip),
                b'0' if increment == 0 => {
                    return Err(self.error(start, "found an indentation indicator equal to 0"));
                }
                digit @ b'1'..=b'9' if increment == 0 => increment = usize::from(digit - b'0'),
                _ => break,
            }
            self.cursor.skip_ascii(1);
        }
        self.end_line(start)?;
        Ok((chomp.unwrap_or(Chomp::Clip), increment))
    }

    /// Over indentation and empty lines, up to a line with content. Where the last line break ended.
    fn block_breaks(&mut self, start: Mark, indent: &mut usize, breaks: &mut String) -> Result<Mark> {
        let mut end = self.cursor.mark;
        let mut widest = 0;
        loop {
            while (*indent == 0 || self.cursor.mark.column < *indent) && self.cursor.peek(0) == b' ' {
                self.cursor.skip_ascii(1);
            }
            widest = widest.max(self.cursor.mark.column);
            if (*indent == 0 || self.cursor.mark.column < *indent) && self.cursor.peek(0) == b'\t' {
                let problem = "found a tab character where an indentation space is expected";
                return Err(self.error(start, problem));
            }
            if !self.cursor.is_break(0) {
                break;
            }
            breaks.push_str(self.cursor.skip_break());
            end = self.cursor.mark;
        }
        if *indent == 0 {
            *indent = widest.max(self.floor).max(1);
        }
        Ok(end)
    }
}
