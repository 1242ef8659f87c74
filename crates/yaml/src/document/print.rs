//! From nodes to text, as go-yaml v3 prints them.

use super::scalar::{self, Context};
use super::{Document, Kind, Node, Style};

pub(super) fn document(document: &Document) -> String {
    let mut out = Printer { text: String::new(), foot_indent: None };
    if !document.head.is_empty() {
        out.comment(&document.head, 0);
        out.text.push('\n');
    }
    match &document.root.kind {
        Kind::Mapping { entries, flow: false } if !entries.is_empty() => {
            out.root_properties(&document.root);
            out.mapping(entries, 0, false);
        }
        Kind::Sequence { items, flow: false } if !items.is_empty() => {
            out.root_properties(&document.root);
            out.sequence(items, 0, false);
        }
        _ => {
            out.leaf(&document.root, 0);
            out.text.push('\n');
        }
    }
    if !document.foot.is_empty() {
        out.text.push('\n');
        out.foot_indent = None;
        out.comment(&document.foot, 0);
    }
    out.text
}

struct Printer {
    text: String,
    /// A comment below something was the last to be written, at this indentation: the next line there keeps away.
    foot_indent: Option<usize>,
}

impl Printer {
    fn start_line(&mut self, indent: usize) {
        if self.foot_indent.take() == Some(indent) {
            self.text.push('\n');
        }
        self.text.extend(std::iter::repeat_n(' ', indent));
    }

    fn comment(&mut self, comment: &str, indent: usize) {
        for line in comment.split('\n') {
            if line.is_empty() {
                self.text.push('\n');
                continue;
            }
            self.start_line(indent);
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    fn foot(&mut self, comment: &str, indent: usize) {
        if !comment.is_empty() {
            self.comment(comment, indent);
            self.foot_indent = Some(indent);
        }
    }

    fn root_properties(&mut self, node: &Node) {
        let before = self.text.len();
        self.properties(node);
        if self.text.len() > before {
            self.text.push('\n');
        }
    }

    /// `inline`: the first entry goes on the line that a dash has begun.
    fn mapping(&mut self, entries: &[(Node, Node)], indent: usize, inline: bool) {
        for (at, (key, value)) in entries.iter().enumerate() {
            self.head(&key.head, indent, inline && at == 0);
            self.properties(key);
            self.scalar(key, indent, Context::Key);
            self.text.push(':');
            match &value.kind {
                Kind::Mapping { entries, flow: false } if !entries.is_empty() => {
                    self.block_start(key, value);
                    self.mapping(entries, indent + 2, false);
                }
                Kind::Sequence { items, flow: false } if !items.is_empty() => {
                    self.block_start(key, value);
                    self.sequence(items, indent, false);
                }
                _ => {
                    self.leaf_after_space(value, indent);
                    self.line_comment(&value.line);
                }
            }
            self.foot(&key.foot, indent);
        }
    }

    fn sequence(&mut self, items: &[Node], indent: usize, inline: bool) {
        for (at, item) in items.iter().enumerate() {
            self.head(&item.head, indent, inline && at == 0);
            self.text.push('-');
            match &item.kind {
                Kind::Mapping { entries, flow: false } if !entries.is_empty() => {
                    let inline = self.item_start(item);
                    self.mapping(entries, indent + 2, inline);
                }
                Kind::Sequence { items, flow: false } if !items.is_empty() => {
                    let inline = self.item_start(item);
                    self.sequence(items, indent + 2, inline);
                }
                _ => {
                    self.leaf_after_space(item, indent);
                    self.line_comment(&item.line);
                }
            }
            self.foot(&item.foot, indent);
        }
    }

    fn head(&mut self, head: &str, indent: usize, inline: bool) {
        if head.is_empty() {
            if !inline {
                self.start_line(indent);
            }
            return;
        }
        if inline {
            let (first, rest) = head.split_once('\n').unwrap_or((head, ""));
            self.text.push_str(first);
            self.text.push('\n');
            if !rest.is_empty() {
                self.comment(rest, indent);
            }
        } else {
            self.comment(head, indent);
        }
        self.start_line(indent);
    }

    fn block_start(&mut self, key: &Node, value: &Node) {
        if !value.anchor.is_empty() || !value.tag.is_empty() {
            self.text.push(' ');
            self.properties(value);
        }
        self.line_comment(&key.line);
    }

    /// Whether the item goes on behind its dash.
    fn item_start(&mut self, item: &Node) -> bool {
        self.text.push(' ');
        let before = self.text.len();
        self.properties(item);
        if self.text.len() == before {
            return true;
        }
        self.text.push('\n');
        false
    }

    /// The comment behind something, and the end of the line.
    fn line_comment(&mut self, comment: &str) {
        if !comment.is_empty() {
            self.text.push(' ');
            self.text.push_str(comment);
        }
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn properties(&mut self, node: &Node) {
        let mut parts = Vec::new();
        if !node.anchor.is_empty() {
            parts.push(format!("&{}", node.anchor));
        }
        if !node.tag.is_empty() {
            parts.push(node.tag.clone());
        }
        self.text.push_str(&parts.join(" "));
        if !parts.is_empty() && matches!(node.kind, Kind::Scalar { .. }) {
            self.text.push(' ');
        }
    }

    fn leaf_after_space(&mut self, node: &Node, indent: usize) {
        let is_nothing = matches!(&node.kind, Kind::Scalar { text, style: Style::Plain } if text.is_empty())
            && node.anchor.is_empty()
            && node.tag.is_empty();
        if !is_nothing {
            self.text.push(' ');
            self.leaf(node, indent);
        }
    }

    fn leaf(&mut self, node: &Node, indent: usize) {
        self.properties(node);
        match &node.kind {
            Kind::Scalar { .. } => self.scalar(node, indent, Context::Block),
            Kind::Alias(name) => {
                self.text.push('*');
                self.text.push_str(name);
            }
            Kind::Sequence { items, .. } => {
                if !node.anchor.is_empty() || !node.tag.is_empty() {
                    self.text.push(' ');
                }
                self.text.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.text.push_str(if at == 0 { "" } else { ", " });
                    self.flow_leaf(item);
                }
                self.text.push(']');
            }
            Kind::Mapping { entries, .. } => {
                if !node.anchor.is_empty() || !node.tag.is_empty() {
                    self.text.push(' ');
                }
                self.text.push('{');
                for (at, (key, value)) in entries.iter().enumerate() {
                    self.text.push_str(if at == 0 { "" } else { ", " });
                    self.flow_leaf(key);
                    self.text.push(':');
                    let is_nothing =
                        matches!(&value.kind, Kind::Scalar { text, style: Style::Plain } if text.is_empty());
                    if !is_nothing {
                        self.text.push(' ');
                        self.flow_leaf(value);
                    }
                }
                self.text.push('}');
            }
        }
    }

    fn flow_leaf(&mut self, node: &Node) {
        match &node.kind {
            Kind::Scalar { text, style } => {
                self.properties(node);
                self.text.push_str(&scalar::write(text, *style, Context::Flow, 0));
            }
            _ => self.leaf(node, 0),
        }
    }

    fn scalar(&mut self, node: &Node, indent: usize, context: Context) {
        match &node.kind {
            Kind::Alias(name) => self.text.push_str(&format!("*{name} ")),
            Kind::Scalar { text, style } => {
                self.text.push_str(&scalar::write(text, *style, context, indent));
            }
            _ => {}
        }
    }
}
