//! Pods, Services, DNS, the way out.

use crate::world::{self, VIP, World};
use network::{Endpoint, Protocol, Service, ServicePort};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

fn service(name: &str, vip: Ipv4Addr, protocol: Protocol, port: u16, endpoints: Vec<Endpoint>) -> Service {
    Service {
        namespace: "default".into(),
        name: name.into(),
        cluster_ip: Some(vip),
        external_name: None,
        ports: vec![ServicePort { name: "p".into(), protocol, port, node_port: None, endpoints }],
        hosts: vec![],
        session_affinity: false,
    }
}

fn web(endpoints: Vec<Endpoint>) -> Service {
    service("web", VIP, Protocol::Tcp, 80, endpoints)
}

fn pod(ip: Ipv4Addr, port: u16) -> Endpoint {
    Endpoint::Pod(SocketAddr::from((ip, port)))
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_reach_each_other_and_services() {
    let Some(world) = World::start().await else { return };
    let (a, a_ip) = world.pod("a").await;
    let (b, b_ip) = world.pod("b").await;
    b.answer(8000, "b");
    assert_eq!(a.ask((b_ip, 8000)).unwrap(), "b", "pod to pod");
    world.network.set_services(vec![web(vec![pod(b_ip, 8000)])]);
    assert_eq!(a.ask((VIP, 80)).unwrap(), "b", "pod to Service");
    assert_eq!(b.ask((VIP, 80)).unwrap(), "b", "a pod to itself by its Service");
    a.answer(8000, "a");
    world.network.set_services(vec![web(vec![pod(a_ip, 8000)])]);
    assert_eq!(a.ask((VIP, 80)).unwrap(), "a", "the endpoints have changed");
    world.network.set_services(vec![]);
    let refused = a.ask((VIP, 80)).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "no Service any more");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_endpoints_are_passed_over_and_clients_are_spread() {
    let Some(world) = World::start().await else { return };
    let (a, a_ip) = world.pod("a").await;
    let (b, b_ip) = world.pod("b").await;
    a.answer(8000, "a");
    b.answer(8000, "b");
    let dead = pod(b_ip, 9);
    world.network.set_services(vec![web(vec![dead, pod(a_ip, 8000), pod(b_ip, 8000)])]);
    let mut answers: Vec<String> = (0..12).map(|_| a.ask((VIP, 80)).unwrap()).collect();
    answers.sort();
    answers.dedup();
    assert_eq!(answers, ["a", "b"]);
    let mut sticky = web(vec![pod(a_ip, 8000), pod(b_ip, 8000)]);
    sticky.session_affinity = true;
    world.network.set_services(vec![sticky]);
    let mut answers: Vec<String> = (0..12).map(|_| a.ask((VIP, 80)).unwrap()).collect();
    answers.dedup();
    assert_eq!(answers.len(), 1, "ClientIP affinity");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_waits_for_an_endpoint() {
    let Some(world) = World::start().await else { return };
    let (a, a_ip) = world.pod("a").await;
    a.answer(8000, "at last");
    world.network.set_services(vec![web(vec![])]);
    let mut held = a.connect((VIP, 80)).unwrap();
    let answer = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        held.read_to_string(&mut text).map(|_| text)
    });
    world.network.set_services(vec![web(vec![pod(a_ip, 8000)])]);
    assert_eq!(answer.await.unwrap().unwrap(), "at last");

    world.network.set_services(vec![web(vec![])]);
    let mut held = a.connect((VIP, 80)).unwrap();
    let answer = tokio::task::spawn_blocking(move || held.read(&mut [0; 1]));
    world.network.set_services(vec![]);
    let error = answer.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the Service has gone meanwhile");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn existing_connections_go_on_and_halves_close_by_themselves() {
    let Some(world) = World::start().await else { return };
    let (a, a_ip) = world.pod("a").await;
    let listener = a.inside(|| std::net::TcpListener::bind("0.0.0.0:8000").unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"hi").unwrap();
        let mut text = Vec::new();
        stream.read_to_end(&mut text).unwrap();
        stream.write_all(&text).unwrap();
    });
    world.network.set_services(vec![web(vec![pod(a_ip, 8000)])]);
    let mut client = a.connect((VIP, 80)).unwrap();
    client.read_exact(&mut [0; 2]).unwrap();
    client.write_all(b"before ").unwrap();
    world.network.set_services(vec![]);
    let much = vec![b'x'; 3_000_000];
    client.write_all(&much).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let echoed = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        client.read_to_end(&mut text).map(|_| text)
    });
    assert_eq!(echoed.await.unwrap().unwrap().len(), 7 + much.len());
    server.join().unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn udp_services_answer_and_the_dns_knows_the_names() {
    let Some(world) = World::start().await else { return };
    let (a, a_ip) = world.pod("a").await;
    let server = a.inside(|| std::net::UdpSocket::bind("0.0.0.0:5000").unwrap());
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        let (count, from) = server.recv_from(&mut buffer).unwrap();
        server.send_to(&[b"echo ", &buffer[..count]].concat(), from).unwrap();
    });
    let mut headless = web(vec![]);
    (headless.name, headless.cluster_ip) = ("db".into(), None);
    headless.hosts = vec![(Some("db-0".into()), a_ip)];
    world
        .network
        .set_services(vec![service("udp", VIP, Protocol::Udp, 500, vec![pod(a_ip, 5000)]), headless]);
    assert_eq!(a.datagram((VIP, 500), b"hello").unwrap(), b"echo hello");

    assert_eq!(a.resolve("udp.default.svc.cluster.local"), "NoError 10.43.0.7");
    assert_eq!(a.resolve("db-0.db.default.svc.cluster.local"), format!("NoError {a_ip}"));
    assert_eq!(a.resolve("none.default.svc.cluster.local"), "NXDomain");
    assert_eq!(a.resolve("host.docker.internal"), format!("NoError {}", world.network.gateway()));
    assert_eq!(a.resolve_by_tcp("udp.default.svc.cluster.local"), "NoError 10.43.0.7");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attaching_again_changes_nothing_even_after_a_restart() {
    let Some(mut world) = World::start().await else { return };
    let (a, a_ip) = world.pod("a").await;
    assert_eq!(world.network.attach("a", &a.path).await.unwrap(), a_ip);
    world.network.set_services(vec![web(vec![pod(a_ip, 8000)])]);
    let before = world.network.clone();
    world.restart().await;
    world.network.set_services(vec![web(vec![pod(a_ip, 8000)])]);
    drop(before);
    assert_eq!(world.network.address("a"), Some(a_ip));
    assert_eq!(world.network.attach("a", &a.path).await.unwrap(), a_ip);
    a.answer(8000, "a");
    assert_eq!(a.ask((VIP, 80)).unwrap(), "a", "the new daemon has the Service's address");
    let mut stream = world.network.dial(SocketAddr::from((a_ip, 8000))).await.unwrap();
    let mut text = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut text).await.unwrap();
    assert_eq!(text, "a");

    // A new sandbox of the same pod, whose old interface may still be there.
    let again = world::Namespace::start();
    assert_eq!(world.network.attach("a", &again.path).await.unwrap(), a_ip);
    world.network.detach("a").await.unwrap();
    assert_eq!(world.network.address("a"), None);
    world.network.detach("a").await.unwrap();
    let (_b, b_ip) = world.pod("b").await;
    world.network.retain(&std::collections::HashSet::new());
    assert_eq!(world.network.address("b"), None);
    assert_ne!(a_ip, b_ip);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pods_own_loopback_is_dialled_inside_it() {
    let Some(world) = World::start().await else { return };
    let (a, _) = world.pod("a").await;
    let listener = a.inside(|| std::net::TcpListener::bind("127.0.0.1:7000").unwrap());
    world::answer_on(listener, "only here");
    let mut stream = world.network.dial_in(&a.path, "127.0.0.1:7000".parse().unwrap()).await.unwrap();
    let mut text = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut text).await.unwrap();
    assert_eq!(text, "only here");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_reach_the_outside_and_the_hosts_loopback() {
    let Some(world) = World::start().await else { return };
    let (a, _) = world.pod("a").await;
    let loopback = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = loopback.local_addr().unwrap().port();
    world::answer_on(loopback, "host");
    assert_eq!(a.ask((world.network.gateway(), port)).unwrap(), "host");

    let api =
        service("kubernetes", VIP, Protocol::Tcp, 443, vec![Endpoint::Host(([127, 0, 0, 1], port).into())]);
    world.network.set_services(vec![api]);
    assert_eq!(a.ask((VIP, 443)).unwrap(), "host", "a Service whose endpoint is on the host");

    match world::host_address() {
        None => eprintln!("skipped: this machine has no address but loopback"),
        Some(ip) => {
            let outside = std::net::TcpListener::bind((ip, 0)).unwrap();
            let port = outside.local_addr().unwrap().port();
            world::answer_on(outside, "outside");
            assert_eq!(a.ask((ip, port)).unwrap(), "outside");
        }
    }
    let unreachable = a.datagram((Ipv4Addr::new(192, 0, 2, 250), 9), b"x").unwrap_err();
    assert_eq!(unreachable.kind(), std::io::ErrorKind::HostUnreachable, "UDP has no way out, and says so");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_ports_are_on_the_hosts_loopback() {
    let Some(world) = World::start().await else { return };
    let (a, a_ip) = world.pod("a").await;
    a.answer(8000, "a");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut web = web(vec![pod(a_ip, 8000)]);
    web.ports[0].node_port = Some(port);
    world.network.set_services(vec![web]);
    let mut text = String::new();
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "a");
    world.end().await;
}

/// A measurement, printed with `--nocapture`; its bound is far above what is seen.
#[tokio::test(flavor = "multi_thread")]
async fn attaching_is_quick() {
    let Some(world) = World::start().await else { return };
    let spaces: Vec<_> = (0..20).map(|_| world::Namespace::start()).collect();
    let mut times = Vec::new();
    for (n, space) in spaces.iter().enumerate() {
        let start = Instant::now();
        world.network.attach(&format!("p{n}"), &space.path).await.unwrap();
        times.push(start.elapsed());
    }
    times.sort();
    eprintln!("attach: min {:?} p50 {:?} max {:?}", times[0], times[10], times[19]);
    assert!(times[10] < Duration::from_secs(1));
    world.end().await;
}
