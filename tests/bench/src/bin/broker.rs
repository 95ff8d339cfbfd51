//! Claim: on one machine our broker is faster than Apache Kafka at the same durability, with less processor and memory.
//!
//! Both run as processes with their defaults, one after the other (A B A B), under the same client: prepared batches of 16 KiB
//! (Kafka's default `batch.size`), five in flight, eight producers with a partition each (sixteen where each waits for the disk). Every produce row is read back and
//! counted. Before each row free memory is filled with pages of another file, see [`Ballast`]. `--scale 1` is a minute for
//! each produce row.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sluice_bench::kafka::{
    Ballast, Class, Connection, Latencies, Limit, Load, Peer, Produced, Server, consume, count_records, folder_bytes,
    forget_files, latencies, produce,
};
use sluice_bench::{Bar, Options, Report, median};
use sluice_harness::Scratch;

const PRODUCERS: i32 = 8;
/// Where each waits for a sync of the disk, more of them share one.
const DURABLE_PRODUCERS: i32 = 16;
const BATCH_BYTES: usize = 16 << 10;
const MINUTE: f64 = 60.0;
/// What a catch-up consumer reads.
const CATCH_UP_BYTES: u64 = 2 << 30;
const GIGABYTE: f64 = 1e9;
const LEADER_LIMIT: Duration = Duration::from_secs(10);
/// Files of a deleted topic are gone after this time.
const REMOVAL_LIMIT: Duration = Duration::from_secs(60);
const EMPTY_BYTES: u64 = 300 << 20;

/// What one turn of one broker showed.
#[derive(Debug, Default)]
struct Turn {
    durable_1k: f64,
    durable_cpu_per_gb: f64,
    cached_100: f64,
    cached_1k: f64,
    cached_cpu_per_gb: f64,
    warm_100: f64,
    warm_1k: f64,
    cold_100: f64,
    cold_1k: f64,
    consume_cpu_per_gb: f64,
    durable_latency: Option<Latencies>,
    cached_latency: Option<Latencies>,
    peak_rss: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let (mut ours, mut kafkas) = (Vec::new(), Vec::new());
    let scratch = Scratch::new()?;
    let mut ballast = Ballast::new(scratch.root())?;
    // Half of what the slower of both takes, so that both get the same; found in the first turns.
    let mut half = Half { durable: 0.0, cached: 0.0 };
    for run in 0..options.runs {
        if run == 0 {
            half = Half::find(&options, &mut ballast).await?;
            eprintln!("half load: {:.0} records/s durable, {:.0} cached", half.durable, half.cached);
        }
        ours.push(turn(Peer::Sluice, &options, &half, &mut ballast).await?);
        kafkas.push(turn(Peer::ApacheKafka, &options, &half, &mut ballast).await?);
        eprintln!("run {run}: {:?}\n       {:?}", ours[run], kafkas[run]);
    }
    report(options, &ours, &kafkas).finish()
}

struct Half {
    durable: f64,
    cached: f64,
}

impl Half {
    async fn find(options: &Options, ballast: &mut Ballast) -> Result<Half> {
        let (mut durable, mut cached) = (f64::INFINITY, f64::INFINITY);
        for peer in [Peer::Sluice, Peer::ApacheKafka] {
            let time = warm_up_time(options);
            for (class, least) in [(Class::Fsync, &mut durable), (Class::PageCache, &mut cached)] {
                let server = Server::start(peer, class).await?;
                warm_up(&server, class, time)?;
                let load = load(class, "probe", 1_000, 1, Limit::Time(time));
                create(&server, "probe", 1, class)?;
                rest(&server, ballast)?;
                let produced = produce(server.address(), &load)?.per_second();
                eprintln!("{peer:?} {class:?}, one producer: {produced:.0} records/s");
                *least = least.min(produced);
            }
        }
        Ok(Half { durable: durable / 2.0, cached: cached / 2.0 })
    }
}

async fn turn(peer: Peer, options: &Options, half: &Half, ballast: &mut Ballast) -> Result<Turn> {
    let time = Duration::from_secs_f64(MINUTE * options.scale);
    let mut turn = Turn::default();
    let server = Server::start(peer, Class::Fsync).await?;
    warm_up(&server, Class::Fsync, warm_up_time(options))?;
    rest(&server, ballast)?;
    let (produced, cpu) = produce_counted(&server, Class::Fsync, "durable", 1_000, time)?;
    (turn.durable_1k, turn.durable_cpu_per_gb) = (produced.per_second(), cpu);
    rest(&server, ballast)?;
    create(&server, "latency", 1, Class::Fsync)?;
    turn.durable_latency = Some(latencies(server.address(), "latency", (1_000, half.durable), -1, time)?);
    turn.peak_rss = server.usage()?.peak_rss_bytes as f64 / 1e6;
    drop(server);

    let server = Server::start(peer, Class::PageCache).await?;
    warm_up(&server, Class::PageCache, warm_up_time(options))?;
    rest(&server, ballast)?;
    let (produced, _) = produce_counted(&server, Class::PageCache, "small", 100, time)?;
    turn.cached_100 = produced.per_second();
    rest(&server, ballast)?;
    let (produced, cpu) = produce_counted(&server, Class::PageCache, "large", 1_000, time)?;
    (turn.cached_1k, turn.cached_cpu_per_gb) = (produced.per_second(), cpu);
    let cpu_before = server.usage()?.cpu_seconds;
    let mut read = 0;
    for (topic, bytes, warm, cold) in [
        ("read-100", 100, &mut turn.warm_100, &mut turn.cold_100),
        ("read-1k", 1_000, &mut turn.warm_1k, &mut turn.cold_1k),
    ] {
        let batches = options.sized(CATCH_UP_BYTES) / BATCH_BYTES as u64 / PRODUCERS as u64;
        let load = load(Class::PageCache, topic, bytes, PRODUCERS, Limit::Batches(batches));
        rest(&server, ballast)?;
        create(&server, topic, PRODUCERS, Class::PageCache)?;
        let produced = produce(server.address(), &load)?;
        for (rate, is_cold) in [(warm, false), (cold, true)] {
            if is_cold {
                forget_files(server.data())?;
            }
            let before = server.usage()?.cpu_seconds;
            let consumed = consume(server.address(), topic, PRODUCERS)?;
            ensure!(consumed.records == produced.records, "{consumed:?} of {produced:?}");
            *rate = consumed.records as f64 / consumed.seconds;
            turn.consume_cpu_per_gb +=
                (server.usage()?.cpu_seconds - before) / (consumed.bytes as f64 / GIGABYTE) / 4.0;
            read += consumed.bytes;
        }
        Connection::open(server.address())?.delete_topic(topic)?;
    }
    ensure!(read > 0 && server.usage()?.cpu_seconds > cpu_before, "nothing was read");
    rest(&server, ballast)?;
    create(&server, "latency", 1, Class::PageCache)?;
    turn.cached_latency = Some(latencies(server.address(), "latency", (1_000, half.cached), 1, time)?);
    turn.peak_rss = turn.peak_rss.max(server.usage()?.peak_rss_bytes as f64 / 1e6);
    Ok(turn)
}

fn warm_up_time(options: &Options) -> Duration {
    Duration::from_secs_f64((MINUTE * options.scale / 4.0).max(4.0))
}

/// Nothing is left of the row before, and memory is as it was at its beginning.
fn rest(server: &Server, ballast: &mut Ballast) -> Result<()> {
    let begin = Instant::now();
    while folder_bytes(server.data())? > EMPTY_BYTES {
        ensure!(begin.elapsed() < REMOVAL_LIMIT, "the files of a deleted topic are still there");
        std::thread::sleep(Duration::from_millis(100));
    }
    ballast.fill()
}

/// A Java process compiles while it runs: nobody is measured before that.
fn warm_up(server: &Server, class: Class, time: Duration) -> Result<()> {
    create(server, "warm-up", PRODUCERS, class)?;
    produce(server.address(), &load(class, "warm-up", 1_000, PRODUCERS, Limit::Time(time)))?;
    count_records(server.address(), "warm-up", PRODUCERS)?;
    Connection::open(server.address())?.delete_topic("warm-up")
}

/// What was acknowledged, with the broker's CPU seconds for a gigabyte; all of it was read back.
fn produce_counted(
    server: &Server,
    class: Class,
    topic: &str,
    bytes: usize,
    time: Duration,
) -> Result<(Produced, f64)> {
    let producers = if class == Class::Fsync { DURABLE_PRODUCERS } else { PRODUCERS };
    create(server, topic, producers, class)?;
    let before = server.usage()?.cpu_seconds;
    let produced = produce(server.address(), &load(class, topic, bytes, producers, Limit::Time(time)))?;
    let cpu = server.usage()?.cpu_seconds - before;
    let found = count_records(server.address(), topic, producers)?;
    ensure!(found == produced.records, "{} records were acknowledged, {found} are there", produced.records);
    Connection::open(server.address())?.delete_topic(topic)?;
    Ok((produced, cpu / (produced.records as f64 * bytes as f64 / GIGABYTE)))
}

fn load(class: Class, topic: &str, record_bytes: usize, producers: i32, limit: Limit) -> Load {
    let acks = if class == Class::Fsync { -1 } else { 1 };
    Load { topic: topic.into(), producers, record_bytes, batch_records: BATCH_BYTES / record_bytes, acks, limit }
}

fn create(server: &Server, topic: &str, partitions: i32, class: Class) -> Result<()> {
    let config: &[_] = if class == Class::Fsync { &[("flush.messages", "1")] } else { &[] };
    let mut connection = Connection::open(server.address())?;
    connection.create_topic(topic, partitions, config)?;
    // Apache Kafka answers before its partitions have their leader.
    let begin = Instant::now();
    for partition in 0..partitions {
        while let Err(error) = connection.end_offset(topic, partition) {
            ensure!(begin.elapsed() < LEADER_LIMIT, "{topic}-{partition} has no leader: {error:#}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}

fn report(options: Options, ours: &[Turn], kafkas: &[Turn]) -> Report {
    let mut report = Report::new("broker", options);
    let mut compare = |what: &str, unit: &'static str, of: &dyn Fn(&Turn) -> f64, bar: Bar, ratio: Bar| {
        let (our, their): (Vec<f64>, Vec<f64>) = (ours.iter().map(of).collect(), kafkas.iter().map(of).collect());
        report.row(what, unit, &our, bar);
        report.row(&format!("{what}: Apache Kafka"), unit, &their, Bar::None);
        report.row(&format!("{what}: ours / Kafka's"), "x", &[median(&our) / median(&their)], ratio);
    };
    let thousands = |rate: f64| rate / 1e3;
    compare("durable produce 1 KB", "k/s", &|turn| thousands(turn.durable_1k), Bar::AtLeast(250.0), Bar::AtLeast(3.0));
    let faster = Bar::AtLeast(1.3);
    compare("cached produce 100 B", "k/s", &|turn| thousands(turn.cached_100), Bar::None, faster);
    compare("cached produce 1 KB", "k/s", &|turn| thousands(turn.cached_1k), Bar::None, faster);
    compare("consume warm 100 B", "k/s", &|turn| thousands(turn.warm_100), Bar::None, faster);
    compare("consume warm 1 KB", "k/s", &|turn| thousands(turn.warm_1k), Bar::None, faster);
    compare("consume cold 100 B", "k/s", &|turn| thousands(turn.cold_100), Bar::None, faster);
    compare("consume cold 1 KB", "k/s", &|turn| thousands(turn.cold_1k), Bar::None, faster);
    let no_more = Bar::AtMost(1.0);
    let of = |latency: &Option<Latencies>, pick: fn(&Latencies) -> f64| latency.as_ref().map_or(f64::NAN, pick);
    compare("durable half load p50", "ms", &|turn| of(&turn.durable_latency, |it| it.p50), Bar::None, Bar::None);
    compare("durable half load p99", "ms", &|turn| of(&turn.durable_latency, |it| it.p99), Bar::None, no_more);
    compare("cached half load p50", "ms", &|turn| of(&turn.cached_latency, |it| it.p50), Bar::None, Bar::None);
    compare("cached half load p99", "ms", &|turn| of(&turn.cached_latency, |it| it.p99), Bar::None, no_more);
    let half = Bar::AtMost(0.5);
    compare("CPU for a GB, durable produce", "s", &|turn| turn.durable_cpu_per_gb, Bar::None, half);
    compare("CPU for a GB, cached produce 1 KB", "s", &|turn| turn.cached_cpu_per_gb, Bar::None, half);
    compare("CPU for a GB, consume", "s", &|turn| turn.consume_cpu_per_gb, Bar::None, half);
    compare("peak RSS", "MB", &|turn| turn.peak_rss, Bar::AtMost(150.0), half);
    report
}
