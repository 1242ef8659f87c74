//! Tokens → a tree. Macros are written out in [`macros`].

mod macros;

use crate::lex::{Kind, Token, lex};
use crate::syntax::{DEEPEST, Form, Node, Operator};
use kube_cel::cel::Value;
use std::fmt;

/// Why a text is no expression, in the form that upstream shows: `ERROR: <input>:1:5: …` and the line with a pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    pub message: String,
    line: usize,
    column: usize,
    snippet: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, line, column, snippet } = self;
        write!(f, "ERROR: <input>:{line}:{column}: {message}\n | {snippet}\n | {:.>column$}", "^")
    }
}

impl Problem {
    /// `at`: a place in the text, in bytes.
    pub(crate) fn new(text: &str, at: usize, message: impl Into<String>) -> Self {
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        Self {
            message: message.into(),
            line: text[..at].matches('\n').count() + 1,
            column: text[start..at].chars().count() + 1,
            snippet: text[start..].lines().next().unwrap_or_default().to_string(),
        }
    }
}

/// Names that the language keeps for itself.
pub(crate) const RESERVED: [&str; 18] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "in",
];

pub(crate) fn parse(text: &str) -> Result<Node, Problem> {
    let tokens = lex(text).map_err(|at| {
        let rest: String = text[at..].chars().take(1).collect();
        Problem::new(text, at, format!("Syntax error: token recognition error at: '{rest}'"))
    })?;
    let mut parser = Parser { text, tokens, next: 0, open: 0 };
    let root = parser.expression()?;
    match parser.peek() {
        Kind::End => Ok(root),
        _ => Err(parser.unexpected()),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    /// How many expressions are being read within each other.
    open: u16,
}

type Parsed = Result<Node, Problem>;

impl Parser<'_> {
    fn peek(&self) -> &Kind {
        &self.tokens[self.next].kind
    }

    fn at(&self) -> usize {
        self.tokens[self.next].at
    }

    fn advance(&mut self) -> Kind {
        let kind = self.tokens[self.next].kind.clone();
        if self.next + 1 < self.tokens.len() {
            self.next += 1;
        }
        kind
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Kind::Sign(found) if *found == sign)
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Problem> {
        if self.eat(sign) { Ok(()) } else { Err(self.unexpected_for(&format!("'{sign}'"))) }
    }

    fn unexpected(&self) -> Problem {
        self.unexpected_for("<EOF>")
    }

    fn unexpected_for(&self, wanted: &str) -> Problem {
        let at = self.at();
        let end = self.tokens.get(self.next + 1).map_or(self.text.len(), |next| next.at);
        let found = match self.peek() {
            Kind::End => "<EOF>",
            _ => self.text[at..end].trim_end(),
        };
        self.problem(at, format!("Syntax error: mismatched input '{found}' expecting {wanted}"))
    }

    fn problem(&self, at: usize, message: impl Into<String>) -> Problem {
        Problem::new(self.text, at, message)
    }

    fn node(&self, form: Form, at: usize) -> Parsed {
        let most = DEEPEST;
        Node::new(form, at)
            .ok_or_else(|| self.problem(at, format!("expression recursion limit exceeded: {most}")))
    }

    fn expression(&mut self) -> Parsed {
        if self.open >= DEEPEST / 2 {
            let most = DEEPEST / 2;
            return Err(self.problem(self.at(), format!("expression recursion limit exceeded: {most}")));
        }
        self.open += 1;
        let read = self.choice();
        self.open -= 1;
        read
    }

    fn choice(&mut self) -> Parsed {
        let condition = self.logic(true)?;
        let at = self.at();
        if !self.eat("?") {
            return Ok(condition);
        }
        let yes = self.logic(true)?;
        self.expect(":")?;
        let no = self.expression()?;
        self.node(Form::Choice { condition: condition.into(), yes: yes.into(), no: no.into() }, at)
    }

    fn logic(&mut self, any: bool) -> Parsed {
        let term = |parser: &mut Self| if any { parser.logic(false) } else { parser.relation() };
        let first = term(self)?;
        let (at, sign) = (self.at(), if any { "||" } else { "&&" });
        if !self.is(sign) {
            return Ok(first);
        }
        let mut terms = vec![first];
        while self.eat(sign) {
            terms.push(term(self)?);
        }
        self.node(Form::Logic { any, terms }, at)
    }

    fn relation(&mut self) -> Parsed {
        let mut left = self.sum()?;
        loop {
            let operator = match self.peek() {
                Kind::Sign("<") => Operator::Less,
                Kind::Sign("<=") => Operator::LessEquals,
                Kind::Sign(">") => Operator::Greater,
                Kind::Sign(">=") => Operator::GreaterEquals,
                Kind::Sign("==") => Operator::Equals,
                Kind::Sign("!=") => Operator::NotEquals,
                Kind::Name(name) if name == "in" => Operator::In,
                _ => return Ok(left),
            };
            left = self.binary(operator, left, Self::sum)?;
        }
    }

    fn sum(&mut self) -> Parsed {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                Kind::Sign("+") => Operator::Add,
                Kind::Sign("-") => Operator::Subtract,
                _ => return Ok(left),
            };
            left = self.binary(operator, left, Self::product)?;
        }
    }

    fn product(&mut self) -> Parsed {
        let mut left = self.unary()?;
        loop {
            let operator = match self.peek() {
                Kind::Sign("*") => Operator::Multiply,
                Kind::Sign("/") => Operator::Divide,
                Kind::Sign("%") => Operator::Modulo,
                _ => return Ok(left),
            };
            left = self.binary(operator, left, Self::unary)?;
        }
    }

    fn binary(&mut self, operator: Operator, left: Node, right: fn(&mut Self) -> Parsed) -> Parsed {
        let at = self.at();
        self.advance();
        let right = right(self)?;
        self.node(Form::Binary { operator, left: left.into(), right: right.into() }, at)
    }

    fn unary(&mut self) -> Parsed {
        let at = self.at();
        let Kind::Sign(sign @ ("!" | "-")) = self.peek() else { return self.member() };
        let sign = *sign;
        let mut times = 0;
        while self.eat(sign) {
            times += 1;
        }
        if sign == "-" && times % 2 == 1 && *self.peek() == Kind::Int(1 << 63) {
            self.advance();
            return self.node(Form::Literal(Value::Int(i64::MIN)), at);
        }
        let of = self.member()?;
        if times % 2 == 0 {
            return Ok(of);
        }
        match &of.form {
            Form::Literal(Value::Int(number)) if sign == "-" => {
                self.node(Form::Literal(Value::Int(-number)), at)
            }
            Form::Literal(Value::Float(number)) if sign == "-" => {
                self.node(Form::Literal(Value::Float(-number)), at)
            }
            _ => self.node(Form::Unary { not: sign == "!", of: of.into() }, at),
        }
    }

    fn member(&mut self) -> Parsed {
        let mut of = self.primary()?;
        loop {
            let at = self.at();
            if self.eat(".") {
                let optional = self.eat("?");
                let field = match self.advance() {
                    Kind::Name(name) | Kind::Quoted(name) => name,
                    _ => {
                        self.next -= 1;
                        return Err(self.unexpected_for("IDENTIFIER"));
                    }
                };
                if !optional && self.is("(") {
                    let at = self.at();
                    let arguments = self.arguments()?;
                    of = self.call(Some(of), field, arguments, at)?;
                } else {
                    of = self.node(Form::Select { of: of.into(), field, test: false, optional }, at)?;
                }
            } else if self.eat("[") {
                let optional = self.eat("?");
                let key = self.expression()?;
                self.expect("]")?;
                of = self.node(Form::Index { of: of.into(), key: key.into(), optional }, at)?;
            } else if self.is("{")
                && let Some(name) = type_name(&of)
            {
                of = self.structure(name, at)?;
            } else {
                return Ok(of);
            }
        }
    }

    fn primary(&mut self) -> Parsed {
        let at = self.at();
        let literal = match self.peek().clone() {
            Kind::Int(number) => match i64::try_from(number) {
                Ok(number) => Value::Int(number),
                Err(_) => return Err(self.problem(at, "invalid int literal")),
            },
            Kind::UInt(number) => Value::UInt(number),
            Kind::Double(number) => Value::Float(number),
            Kind::Text(text) => Value::String(text.into()),
            Kind::Bytes(bytes) => Value::Bytes(bytes.into()),
            Kind::Name(name) => match name.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ => return self.name(name, at),
            },
            Kind::Sign(sign) => return self.bracketed(sign, at),
            Kind::Quoted(_) | Kind::End => return Err(self.no_operand()),
        };
        self.advance();
        self.node(Form::Literal(literal), at)
    }

    fn no_operand(&self) -> Problem {
        self.unexpected_for(
            "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
        )
    }

    fn name(&mut self, name: String, at: usize) -> Parsed {
        self.advance();
        if RESERVED.contains(&name.as_str()) {
            return Err(self.problem(at, format!("reserved identifier: {name}")));
        }
        if self.is("(") {
            let at = self.at();
            let arguments = self.arguments()?;
            return self.call(None, name, arguments, at);
        }
        self.node(Form::Name(name), at)
    }

    fn bracketed(&mut self, sign: &'static str, at: usize) -> Parsed {
        match sign {
            "(" => {
                self.advance();
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            "[" => {
                self.advance();
                let mut items = Vec::new();
                while !self.eat("]") {
                    let optional = self.eat("?");
                    items.push((self.expression()?, optional));
                    self.comma("]")?;
                }
                self.node(Form::List(items), at)
            }
            "{" => {
                self.advance();
                let mut entries = Vec::new();
                while !self.eat("}") {
                    let optional = self.eat("?");
                    let key = self.expression()?;
                    self.expect(":")?;
                    entries.push((key, self.expression()?, optional));
                    self.comma("}")?;
                }
                self.node(Form::Map(entries), at)
            }
            "." if matches!(self.tokens.get(self.next + 1), Some(Token { kind: Kind::Name(_), .. })) => {
                self.advance();
                self.primary()
            }
            _ => Err(self.no_operand()),
        }
    }

    /// After an item: a comma, unless the list ends.
    fn comma(&mut self, end: &str) -> Result<(), Problem> {
        if self.is(end) || self.eat(",") { Ok(()) } else { Err(self.unexpected_for(&format!("'{end}'"))) }
    }

    fn arguments(&mut self) -> Result<Vec<Node>, Problem> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        if self.eat(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if self.eat(")") {
                return Ok(arguments);
            }
            if !self.eat(",") {
                return Err(self.unexpected_for("')'"));
            }
        }
    }

    /// The fields of `Type{…}`.
    fn structure(&mut self, name: String, at: usize) -> Parsed {
        self.advance();
        let mut fields = Vec::new();
        while !self.eat("}") {
            let optional = self.eat("?");
            let (Kind::Name(field) | Kind::Quoted(field)) = self.advance() else {
                self.next -= 1;
                return Err(self.unexpected_for("IDENTIFIER"));
            };
            self.expect(":")?;
            fields.push((field, self.expression()?, optional));
            self.comma("}")?;
        }
        self.node(Form::Struct { name, fields }, at)
    }
}

/// `a.b.C`, the name of a type.
fn type_name(node: &Node) -> Option<String> {
    match &node.form {
        Form::Name(name) => Some(name.clone()),
        Form::Select { of, field, test: false, optional: false } => {
            Some(format!("{}.{field}", type_name(of)?))
        }
        _ => None,
    }
}
