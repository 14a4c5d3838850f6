//! The network with real sockets. It needs root, namespaces and TUN; elsewhere each test says that it was
//! skipped.
//!
//! No test asserts how fast something is, only that a slow link is at least as slow as it should be.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by a panic and says when it is skipped"
)]

use ktrial_core::NodeId;
use ktrial_real::network::{Network, available};
use ktrial_sim::plan::{Latency, LinkFault};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer};
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PORT: u16 = 9092;
/// How long what must happen may take.
const LIMIT: Duration = Duration::from_secs(120);
/// How long we look that something does not happen.
const LOOK: Duration = Duration::from_millis(300);
/// Tells a copy of this program that it is to be killed.
const TO_BE_KILLED: &str = "KTRIAL_TEST_TO_BE_KILLED";

const CUT: LinkFault = LinkFault::Cut;

fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

fn network(nodes: &[&str]) -> Network {
    let nodes: Vec<NodeId> = nodes.iter().map(|name| node(name)).collect();
    Network::new(&nodes, 1).unwrap()
}

fn can_run() -> bool {
    let available = available();
    if let Err(why) = &available {
        println!("skipped: {why}");
    }
    available.is_ok()
}

fn listen(network: &Network, at: &str) -> TcpListener {
    let address = SocketAddr::new(network.address(node(at)).unwrap(), PORT);
    let bind = || TcpListener::bind(address).unwrap();
    network.inside(Some(node(at)), bind).unwrap()
}

/// A connection: the end of who opened it, and the end of the other.
fn connect(network: &Network, from: &str, to: &str) -> (TcpStream, TcpStream) {
    let listener = listen(network, to);
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, LIMIT).unwrap();
    let near = network.inside(Some(node(from)), connect).unwrap();
    let far = listener.accept().unwrap().0;
    for end in [&near, &far] {
        end.set_nodelay(true).unwrap();
        end.set_read_timeout(Some(LIMIT)).unwrap();
    }
    (near, far)
}

fn arrives(from: &mut TcpStream, to: &mut TcpStream) {
    from.write_all(b"hello").unwrap();
    expect(to);
}

fn expect(at: &mut TcpStream) {
    let mut read = [0; 5];
    at.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"hello");
}

fn nothing_arrives(at: &mut TcpStream) {
    at.set_read_timeout(Some(LOOK)).unwrap();
    let why = at.read(&mut [0]).unwrap_err().kind();
    assert!(
        matches!(why, ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{why}"
    );
    at.set_read_timeout(Some(LIMIT)).unwrap();
}

fn begin(network: &Network, step: usize, from: &str, to: &str, one_way: bool, fault: &LinkFault) {
    network.begin(step, (&[node(from)], &[node(to)]), one_way, fault);
}

fn names() -> Vec<String> {
    let entries = fs::read_dir("/var/run/netns").into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn name(network: &Network, at: &str) -> String {
    network.prefix(node(at)).unwrap().pop().unwrap()
}

#[test]
fn nodes_reach_each_other_and_two_networks_do_not_clash() {
    if !can_run() {
        return;
    }
    let (one, other) = (network(&["b1", "b2", "k0"]), network(&["b1", "b2"]));
    assert_eq!(
        one.address(node("b2")).unwrap(),
        other.address(node("b2")).unwrap()
    );
    for (network, from) in [(&one, "k0"), (&one, "b2"), (&other, "b2")] {
        let (mut near, mut far) = connect(network, from, "b1");
        arrives(&mut near, &mut far);
        arrives(&mut far, &mut near);
        assert_eq!(
            far.peer_addr().unwrap().ip(),
            network.address(node(from)).unwrap()
        );
    }
    let large: Vec<u8> = (0..5_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let (mut near, mut far) = connect(&one, "b1", "b2");
    let mut read = vec![0; large.len()];
    thread::scope(|scope| {
        scope.spawn(|| near.write_all(&large).unwrap());
        far.read_exact(&mut read).unwrap();
    });
    assert!(read == large, "what arrives is what was sent");
}

#[test]
fn a_program_runs_on_its_node_and_the_operator_reaches_it() {
    if !can_run() {
        return;
    }
    let network = network(&["b1"]);
    let prefix = network.prefix(node("b1")).unwrap();
    let mut command = Command::new(&prefix[0]);
    let output = command
        .args(&prefix[1..])
        .args(["readlink", "/proc/self/ns/net"])
        .output()
        .unwrap();
    let there = || fs::read_link("/proc/thread-self/ns/net").unwrap();
    let there = network.inside(Some(node("b1")), there).unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        there.to_str().unwrap()
    );
    assert_ne!(there, fs::read_link("/proc/thread-self/ns/net").unwrap());

    let listener = listen(&network, "b1");
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, LIMIT).unwrap();
    network.inside(None, connect).unwrap();
    assert!(network.inside(Some(node("b9")), || ()).is_err());
}

/// So that one client can be cut off: librdkafka's threads are where the client was made, not where it is
/// used.
#[test]
fn a_client_of_librdkafka_stays_where_it_is_made() {
    if !can_run() {
        return;
    }
    let network = network(&["b1", "k0", "k1"]);
    let listener = listen(&network, "b1");
    let address = listener.local_addr().unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address.to_string());
    let make = || config.create::<BaseProducer>().unwrap();
    let producer = network.inside(Some(node("k1")), make).unwrap();
    let client = producer.client();
    let metadata = client.fetch_metadata(None, Duration::from_millis(100));
    assert!(metadata.is_err(), "nobody answers");
    let (_connection, from) = listener.accept().unwrap();
    assert_eq!(from.ip(), network.address(node("k1")).unwrap());
}

#[test]
fn what_a_cut_holds_goes_on_as_it_ends() {
    if !can_run() {
        return;
    }
    let network = network(&["b1", "b2", "b3"]);
    let (mut near, mut far) = connect(&network, "b1", "b2");
    let (mut other, mut third) = connect(&network, "b1", "b3");
    begin(&network, 4, "b1", "b2", false, &CUT);
    near.write_all(b"hello").unwrap();
    far.write_all(b"hello").unwrap();
    nothing_arrives(&mut near);
    nothing_arrives(&mut far);
    arrives(&mut other, &mut third);
    assert!(network.touched(4) >= 2);
    let touched = network.end(4);
    assert_eq!(touched, [network.touched(4)]);
    expect(&mut near);
    expect(&mut far);
    assert!(network.end(4).is_empty(), "it has ended already");
}

#[test]
fn one_way_is_cut_and_the_other_is_not() {
    if !can_run() {
        return;
    }
    let network = network(&["b1", "b2"]);
    let (mut near, mut far) = connect(&network, "b1", "b2");
    begin(&network, 4, "b1", "b2", true, &CUT);
    arrives(&mut far, &mut near);
    near.write_all(b"hello").unwrap();
    nothing_arrives(&mut far);
    arrives(&mut far, &mut near);
    let healed = network.heal();
    assert!(
        matches!(healed[..], [(4, touched)] if touched > 0),
        "{healed:?}"
    );
    expect(&mut far);
}

/// A handshake that meets a cut succeeds once the way is free.
#[test]
fn one_client_is_cut_off_and_the_other_is_not() {
    if !can_run() {
        return;
    }
    let network = network(&["b1", "k0", "k1"]);
    let listener = listen(&network, "b1");
    let address = listener.local_addr().unwrap();
    begin(&network, 1, "k0", "b1", false, &CUT);
    thread::scope(|scope| {
        let open = |from| {
            network.inside(Some(node(from)), || {
                TcpStream::connect_timeout(&address, LIMIT)
            })
        };
        let late = scope.spawn(move || open("k0").unwrap());
        open("k1").unwrap().unwrap();
        thread::sleep(LOOK);
        assert!(!late.is_finished());
        while network.touched(1) == 0 {
            thread::sleep(Duration::from_millis(10));
        }
        network.end(1);
        late.join().unwrap().unwrap();
    });
}

#[test]
fn a_delay_is_at_least_that() {
    if !can_run() {
        return;
    }
    let network = network(&["b1", "b2"]);
    let (mut near, mut far) = connect(&network, "b1", "b2");
    let uniform = Latency::Uniform {
        min_us: 50_000,
        max_us: 90_000,
    };
    begin(&network, 1, "b1", "b2", true, &LinkFault::Delay(uniform));
    let fixed = Latency::Fixed { us: 100_000 };
    begin(&network, 2, "b1", "b2", true, &LinkFault::Delay(fixed));
    let start = Instant::now();
    arrives(&mut near, &mut far);
    assert!(start.elapsed() >= Duration::from_millis(150), "they add up");
    arrives(&mut far, &mut near);
    assert!(network.touched(1) > 0 && network.touched(2) > 0);
}

#[test]
fn a_throttle_lets_no_more_pass() {
    if !can_run() {
        return;
    }
    let network = network(&["b1", "b2"]);
    let (mut near, mut far) = connect(&network, "b1", "b2");
    let fault = LinkFault::Throttle { bytes_per_ms: 200 };
    begin(&network, 1, "b1", "b2", true, &fault);
    let start = Instant::now();
    let sent = vec![7; 200_000];
    thread::scope(|scope| {
        scope.spawn(|| near.write_all(&sent).unwrap());
        far.read_exact(&mut vec![0; sent.len()]).unwrap();
    });
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(network.touched(1) > 0);
}

#[test]
fn tcp_sends_again_what_is_lost() {
    if !can_run() {
        return;
    }
    let network = network(&["b1", "b2"]);
    let (mut near, mut far) = connect(&network, "b1", "b2");
    let fault = LinkFault::Lose {
        per_mille: 200,
        reset: false,
    };
    begin(&network, 1, "b1", "b2", false, &fault);
    let sent: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let mut read = vec![0; sent.len()];
    thread::scope(|scope| {
        scope.spawn(|| near.write_all(&sent).unwrap());
        far.read_exact(&mut read).unwrap();
    });
    assert!(read == sent);
    assert!(network.touched(1) > 0);
}

#[test]
fn a_loss_with_a_reset_is_told_to_both_ends() {
    if !can_run() {
        return;
    }
    let network = network(&["b1", "b2"]);
    let (mut near, mut far) = connect(&network, "b1", "b2");
    arrives(&mut near, &mut far);
    let fault = LinkFault::Lose {
        per_mille: 1_000,
        reset: true,
    };
    begin(&network, 1, "b1", "b2", true, &fault);
    near.write_all(b"hello").unwrap();
    for end in [&mut near, &mut far] {
        assert_eq!(
            end.read(&mut [0]).unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
    }
    let listener = listen(&network, "b2");
    let address = listener.local_addr().unwrap();
    let refused = || {
        TcpStream::connect_timeout(&address, LIMIT)
            .unwrap_err()
            .kind()
    };
    let refused = network.inside(Some(node("b1")), refused).unwrap();
    assert_eq!(refused, ErrorKind::ConnectionRefused, "a handshake too");
    assert!(network.touched(1) >= 2);
}

#[test]
fn nothing_is_left_of_a_network_and_whoever_was_in_it() {
    if !can_run() {
        return;
    }
    let network = network(&["b1"]);
    let name = name(&network, "b1");
    let mut sleeper = Command::new("ip");
    let mut sleeper = sleeper
        .args(["netns", "exec", &name, "sleep", "1000"])
        .spawn()
        .unwrap();
    while !fs::read_to_string(format!("/proc/{}/comm", sleeper.id()))
        .unwrap()
        .contains("sleep")
    {
        thread::sleep(Duration::from_millis(10));
    }
    assert!(names().contains(&name));
    drop(network);
    assert!(!names().contains(&name));
    assert!(!sleeper.wait().unwrap().success(), "it was killed");
}

#[test]
fn a_panic_leaves_nothing() {
    if !can_run() {
        return;
    }
    let (tell, told) = std::sync::mpsc::channel();
    let panics = thread::spawn(move || {
        let network = network(&["b1"]);
        tell.send(name(&network, "b1")).unwrap();
        panic!("on purpose");
    });
    assert!(panics.join().is_err());
    assert!(!names().contains(&told.recv().unwrap()));
}

#[test]
fn the_next_one_sweeps_away_what_a_killed_process_left() {
    if !can_run() {
        return;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "a_process_that_is_killed", "--nocapture"]);
    let mut child = command
        .env(TO_BE_KILLED, "")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let left = lines
        .find_map(|line| Some(line.split_once("made ")?.1.to_owned()))
        .unwrap();
    let ours = network(&["b1"]);
    assert!(
        names().contains(&left),
        "it lives, and so does what it made"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    // The networks of other tests sweep too, so it may be gone already.
    drop(network(&["b1"]));
    assert!(!names().contains(&left));
    assert!(names().contains(&name(&ours, "b1")), "ours lives");
}

/// Not a test of its own: what the test above runs and kills.
#[test]
fn a_process_that_is_killed() {
    if std::env::var_os(TO_BE_KILLED).is_some() {
        let network = network(&["b1"]);
        println!("made {}", name(&network, "b1"));
        thread::sleep(LIMIT);
    }
}
