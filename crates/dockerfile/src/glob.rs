//! Wildcards as Docker knows them: `*`, `?`, `[a-z]`, `\x`, and `**` in ignore files.

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Glob {
    tokens: Vec<Token>,
    literal: Option<String>,
}

/// What stars may cross.
#[derive(Clone, Copy, PartialEq)]
enum Stars {
    Shallow,
    Deep,
    Text,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Literal(char),
    /// `?`: one character that is no slash.
    One,
    /// `*`: any characters that are no slash.
    Star,
    /// `**`: any characters.
    All,
    /// `**/`: nothing, or anything that ends with a slash.
    AllFolders,
    Class {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
}

impl Glob {
    /// A pattern of an ignore file, where `**` crosses folders.
    pub fn deep(pattern: &str) -> Glob {
        Glob::compile(pattern, Stars::Deep)
    }

    /// A source of COPY, where `**` is no more than `*`.
    pub fn new(pattern: &str) -> Glob {
        Glob::compile(pattern, Stars::Shallow)
    }

    /// A pattern of a parameter expansion, where `*` is any text.
    pub(crate) fn text(pattern: &str) -> Glob {
        Glob::compile(pattern, Stars::Text)
    }

    fn compile(pattern: &str, stars: Stars) -> Glob {
        let chars: Vec<char> = pattern.chars().collect();
        let mut tokens = Vec::new();
        let mut at = 0;
        while at < chars.len() {
            let (token, used) = token(&chars[at..], stars);
            tokens.push(token);
            at += used;
        }
        let literal = tokens
            .iter()
            .map(|token| if let Token::Literal(char) = token { Some(*char) } else { None })
            .collect::<Option<String>>();
        Glob { tokens, literal }
    }

    /// The text that the pattern stands for, if it has no wildcard.
    pub fn literal(&self) -> Option<&str> {
        self.literal.as_deref()
    }

    pub fn matches(&self, text: &str) -> bool {
        if let Some(literal) = &self.literal {
            return literal == text;
        }
        let chars: Vec<char> = text.chars().collect();
        // Row by row over the tokens: `reach[n]` says whether the tokens so far can have eaten n characters.
        let mut reach = vec![false; chars.len() + 1];
        reach[0] = true;
        for token in &self.tokens {
            reach = step(token, &chars, &reach);
        }
        reach[chars.len()]
    }

    /// Can the pattern match something below this folder?
    pub(crate) fn may_match_below(&self, folder: &str) -> bool {
        let chars: Vec<char> = folder.chars().chain(['/']).collect();
        let mut reach = vec![false; chars.len() + 1];
        reach[0] = true;
        for token in &self.tokens {
            let next = step(token, &chars, &reach);
            // The folder is eaten and there are tokens left (or one that still eats): something below may match.
            if reach[chars.len()] || matches!(token, Token::All | Token::AllFolders) && reach.contains(&true)
            {
                return true;
            }
            reach = next;
        }
        false
    }
}

fn token(chars: &[char], mode: Stars) -> (Token, usize) {
    match chars[0] {
        '*' if chars.get(1) == Some(&'*') => {
            let stars = chars.iter().take_while(|char| **char == '*').count();
            match (mode, chars.get(stars)) {
                (Stars::Shallow, _) => (Token::Star, stars),
                (Stars::Deep, Some('/')) => (Token::AllFolders, stars + 1),
                _ => (Token::All, stars),
            }
        }
        '*' if mode == Stars::Text => (Token::All, 1),
        '*' => (Token::Star, 1),
        '?' => (Token::One, 1),
        '\\' if chars.len() > 1 => (Token::Literal(chars[1]), 2),
        '[' => class(chars).unwrap_or((Token::Literal('['), 1)),
        other => (Token::Literal(other), 1),
    }
}

fn class(chars: &[char]) -> Option<(Token, usize)> {
    let negated = chars.get(1) == Some(&'^');
    let mut at = 1 + usize::from(negated);
    let mut ranges = Vec::new();
    let one = |at: &mut usize| -> Option<char> {
        if chars.get(*at) == Some(&'\\') {
            *at += 1;
        }
        let char = *chars.get(*at)?;
        *at += 1;
        Some(char)
    };
    while *chars.get(at)? != ']' || ranges.is_empty() {
        let low = one(&mut at)?;
        let high = if chars.get(at) == Some(&'-') && chars.get(at + 1).is_some_and(|char| *char != ']') {
            at += 1;
            one(&mut at)?
        } else {
            low
        };
        ranges.push((low, high));
    }
    Some((Token::Class { ranges, negated }, at + 1))
}

fn step(token: &Token, chars: &[char], reach: &[bool]) -> Vec<bool> {
    let mut next = vec![false; reach.len()];
    let one = |eats: &dyn Fn(char) -> bool, next: &mut Vec<bool>| {
        for (at, char) in chars.iter().enumerate() {
            next[at + 1] = reach[at] && eats(*char);
        }
    };
    match token {
        Token::Literal(wanted) => one(&|char| char == *wanted, &mut next),
        Token::One => one(&|char| char != '/', &mut next),
        Token::Class { ranges, negated } => {
            let within = |char: char| ranges.iter().any(|(low, high)| (*low..=*high).contains(&char));
            one(&|char| char != '/' && within(char) != *negated, &mut next);
        }
        Token::Star | Token::All => {
            let mut alive = false;
            for at in 0..reach.len() {
                let stopped = at > 0 && chars[at - 1] == '/' && *token == Token::Star;
                alive = (alive && !stopped) || reach[at];
                next[at] = alive;
            }
        }
        Token::AllFolders => {
            let mut alive = false;
            for at in 0..reach.len() {
                next[at] = reach[at] || (alive && at > 0 && chars[at - 1] == '/');
                alive |= reach[at];
            }
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shallow_and_deep() {
        for (pattern, text, deep, shallow) in [
            ("*.py", "a.py", true, true),
            ("*.py", "x/a.py", false, false),
            ("**/*.py", "a.py", true, false),
            ("**/*.py", "x/y/a.py", true, false),
            ("x/**", "x/y/z", true, false),
            ("x/**", "x/y", true, true),
            ("a**b", "a/x/b", true, false),
            ("[a-c]?[^x]", "bzy", true, true),
            ("[a-c]?[^x]", "bzx", false, false),
            ("\\*", "*", true, true),
            ("\\*", "a", false, false),
            ("[]a]", "]", true, true),
        ] {
            assert_eq!(Glob::deep(pattern).matches(text), deep, "deep {pattern} {text}");
            assert_eq!(Glob::new(pattern).matches(text), shallow, "shallow {pattern} {text}");
        }
    }
}
