//! A fake of the world outside: pages, repositories and programs from tables, and a log of what was asked of it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use kustomize::{Checkout, Fetched, Output, Outside, OutsideError, Program, Repository};

type Run = Box<dyn Fn(&Program, &World) -> Output>;

#[derive(Default)]
pub struct World {
    pages: BTreeMap<String, Fetched>,
    repositories: BTreeMap<String, String>,
    programs: BTreeMap<String, Run>,
    variables: BTreeMap<String, String>,
    scratch: RefCell<BTreeMap<String, Vec<u8>>>,
    log: RefCell<Vec<String>>,
}

#[expect(dead_code, reason = "each test binary uses a part")]
impl World {
    pub fn page(mut self, url: &str, status: u16, body: &str) -> World {
        let reason = if status == 200 { "OK" } else { "Not Found" }.to_string();
        let page = Fetched { status, reason, body: body.as_bytes().to_vec(), warnings: Vec::new() };
        self.pages.insert(url.to_string(), page);
        self
    }

    pub fn repository(mut self, clone_spec: &str, dir: &str) -> World {
        self.repositories.insert(clone_spec.to_string(), dir.to_string());
        self
    }

    pub fn program(mut self, path: &str, run: impl Fn(&Program, &World) -> Output + 'static) -> World {
        self.programs.insert(path.to_string(), Box::new(run));
        self
    }

    pub fn with_variable(mut self, name: &str, value: &str) -> World {
        self.variables.insert(name.to_string(), value.to_string());
        self
    }

    /// What was written for programs.
    pub fn written(&self, path: &str) -> String {
        let scratch = self.scratch.borrow();
        String::from_utf8(scratch.get(path).expect("it was written").clone()).expect("it is text")
    }

    pub fn note(&self, line: String) {
        self.log.borrow_mut().push(line);
    }

    pub fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }
}

impl Outside for World {
    fn fetch(&self, url: &str) -> Result<Fetched, OutsideError> {
        self.note(format!("GET {url}"));
        let page = self.pages.get(url).cloned();
        page.ok_or_else(|| OutsideError::Unreachable {
            url: url.to_string(),
            reason: "no such host".to_string(),
        })
    }

    fn checkout(&self, repository: &Repository) -> Result<Checkout, OutsideError> {
        let spec = repository.clone_spec();
        self.note(format!("clone {spec} {}", repository.reference).trim_end().to_string());
        let dir = self.repositories.get(&spec).cloned().ok_or_else(|| OutsideError::Failed {
            command: format!("git fetch {spec}"),
            output: "repository not found".to_string(),
            code: 128,
        })?;
        Ok(Checkout { dir, commit: "c0ffee".to_string(), warnings: Vec::new() })
    }

    fn run(&self, program: &Program) -> Result<Output, OutsideError> {
        self.note(program.command_line());
        let run = self.programs.get(&program.program);
        let run = run.ok_or_else(|| OutsideError::NoProgram { program: program.program.clone() })?;
        Ok(run(program, self))
    }

    fn scratch(&self, name: &str, content: &[u8]) -> Result<String, OutsideError> {
        let path = format!("/scratch/{}/{name}", self.scratch.borrow().len());
        self.scratch.borrow_mut().insert(path.clone(), content.to_vec());
        Ok(path)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn is_executable(&self, path: &str) -> Option<bool> {
        self.programs.contains_key(path).then_some(true)
    }
}
