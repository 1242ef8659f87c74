//! A cluster's network in namespaces that belong to threads of the test: they end with it, whatever happens.

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use network::{Network, NetworkConfig};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

pub const VIP: Ipv4Addr = Ipv4Addr::new(10, 43, 0, 7);
pub const DNS: Ipv4Addr = Ipv4Addr::new(10, 43, 0, 10);

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace of its own, and a thread in it.
pub struct Namespace {
    pub path: PathBuf,
    jobs: mpsc::Sender<Job>,
}

impl Namespace {
    pub fn start() -> Namespace {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (ready, path) = mpsc::channel();
        std::thread::spawn(move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            let thread = nix::unistd::gettid();
            ready.send(PathBuf::from(format!("/proc/self/task/{thread}/ns/net"))).unwrap();
            while let Ok(job) = queue.recv() {
                job();
            }
        });
        Namespace { path: path.recv().unwrap(), jobs }
    }

    pub fn inside<R: Send + 'static>(&self, work: impl FnOnce() -> R + Send + 'static) -> R {
        let (sender, receiver) = mpsc::channel();
        self.jobs.send(Box::new(move || sender.send(work()).unwrap())).unwrap();
        receiver.recv().unwrap()
    }

    /// Serves a text to each client.
    pub fn answer(&self, port: u16, text: &'static str) {
        answer_on(self.inside(move || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap()), text);
    }

    pub fn connect(&self, to: impl Into<SocketAddr>) -> io::Result<TcpStream> {
        let to = to.into();
        let stream = self.inside(move || TcpStream::connect_timeout(&to, Duration::from_secs(10)))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(stream)
    }

    pub fn ask(&self, to: impl Into<SocketAddr>) -> io::Result<String> {
        let mut text = String::new();
        self.connect(to)?.read_to_string(&mut text)?;
        Ok(text)
    }

    pub fn datagram(&self, to: impl Into<SocketAddr>, data: &[u8]) -> io::Result<Vec<u8>> {
        let to = to.into();
        let socket = self.inside(move || -> io::Result<UdpSocket> {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect(to)?;
            Ok(socket)
        })?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        socket.send(data)?;
        let mut buffer = vec![0; 4096];
        let count = socket.recv(&mut buffer)?;
        buffer.truncate(count);
        Ok(buffer)
    }

    pub fn resolve(&self, name: &str) -> String {
        show(&self.datagram((DNS, 53), &question(name)).unwrap())
    }

    pub fn resolve_by_tcp(&self, name: &str) -> String {
        let mut stream = self.connect((DNS, 53)).unwrap();
        let question = question(name);
        stream.write_all(&(question.len() as u16).to_be_bytes()).unwrap();
        stream.write_all(&question).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut answer).unwrap();
        show(&answer)
    }
}

fn question(name: &str) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(format!("{name}.")).unwrap(), RecordType::A));
    message.to_vec().unwrap()
}

fn show(answer: &[u8]) -> String {
    let answer = Message::from_vec(answer).unwrap();
    let data: Vec<String> = answer.answers.iter().map(|record| record.data.to_string()).collect();
    format!("{:?} {}", answer.metadata.response_code, data.join(" ")).trim_end().to_string()
}

pub fn answer_on(listener: TcpListener, text: &'static str) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that is gone does not matter.
            let _ = stream.and_then(|mut stream| stream.write_all(text.as_bytes()));
        }
    });
}

/// An address of this machine that is not loopback.
pub fn host_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Connecting a datagram socket sends nothing; it only chooses a route.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(ip) if !ip.is_loopback() => Some(ip),
        _ => None,
    }
}

pub struct World {
    pub network: Network,
    router: Namespace,
    state: PathBuf,
}

impl World {
    /// `None`, with a word on stderr, where the test may not make namespaces.
    pub async fn start() -> Option<World> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: needs root to make network namespaces");
            return None;
        }
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let state = std::env::temp_dir().join(format!("coracle-network-{}-{number}", std::process::id()));
        let router = Namespace::start();
        let network = Network::start(config(&router, &state)).await.unwrap();
        Some(World { network, router, state })
    }

    /// As if the daemon had been started again.
    pub async fn restart(&mut self) {
        self.network.shutdown().await;
        self.network = Network::start(config(&self.router, &self.state)).await.unwrap();
    }

    pub async fn pod(&self, id: &str) -> (Namespace, Ipv4Addr) {
        let namespace = Namespace::start();
        let ip = self.network.attach(id, &namespace.path).await.unwrap();
        (namespace, ip)
    }

    pub async fn end(self) {
        self.network.shutdown().await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.state);
    }
}

fn config(router: &Namespace, state: &std::path::Path) -> NetworkConfig {
    NetworkConfig {
        router: router.path.clone(),
        pod_cidr: "10.42.0.0/24".parse().unwrap(),
        service_cidr: "10.43.0.0/16".parse().unwrap(),
        dns: DNS,
        domain: "cluster.local".into(),
        state: state.into(),
    }
}
