//! A file server in one file: answers `GET /path` with `/www/path`, and `/health` with `ok`.
//!
//! No dependencies, so that it builds in a second without a network and needs nothing around it in the image.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};

unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn _exit(code: i32) -> !;
}

const SIGTERM: i32 = 15;

/// The first process of a container gets no default handlers: without this one, stopping would take the whole grace
/// period.
extern "C" fn end(_: i32) {
    // SAFETY: `_exit` may be called in a signal handler.
    unsafe { _exit(0) }
}

fn main() -> std::io::Result<()> {
    // SAFETY: the handler only calls `_exit`.
    unsafe { signal(SIGTERM, end) };
    let port = std::env::var("PORT").unwrap_or_else(|_| "8000".into());
    let listener = TcpListener::bind(format!("0.0.0.0:{port}"))?;
    println!("hello: listening on {port}");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            // A client that goes away in the middle is its own affair.
            let _ = serve(&stream);
        });
    }
    Ok(())
}

fn serve(mut stream: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream).take(16 * 1024);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut line = String::from("-");
    while !line.trim().is_empty() {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let path = request.split(' ').nth(1).unwrap_or("/");
    let (status, body) = answer(path);
    println!("hello: {status} {path:?}");
    let kind = if path.ends_with('/') || path.ends_with(".html") { "text/html" } else { "text/plain" };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {length}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)
}

fn answer(path: &str) -> (&'static str, Vec<u8>) {
    if path == "/health" {
        return ("200 OK", b"ok\n".to_vec());
    }
    let Some(file) = file_below("/www", path) else { return ("400 Bad Request", b"no such path\n".to_vec()) };
    match std::fs::read(file) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", b"not found\n".to_vec()),
    }
}

/// The file of a request path; `None` for one that leaves the root.
fn file_below(root: &str, path: &str) -> Option<PathBuf> {
    let path = path.split(['?', '#']).next()?.strip_prefix('/')?;
    let path = if path.is_empty() || path.ends_with('/') { format!("{path}index.html") } else { path.into() };
    let inside = Path::new(&path).components().all(|c| matches!(c, Component::Normal(_)));
    inside.then(|| Path::new(root).join(path))
}
