use sluice_bench::kafka::*;
use std::time::Instant;
fn main() -> anyhow::Result<()> {
    let a: Vec<String> = std::env::args().collect();
    let n: u64 = a[2].parse()?;
    let rb: usize = a[3].parse()?;
    let mut c = Connection::open(&a[1])?;
    if c.create_topic("x", 4, &[]).is_ok() {
        std::thread::sleep(std::time::Duration::from_secs(1));
        let p = produce(&a[1], &Load { topic: "x".into(), producers: 4, record_bytes: rb, batch_records: 16384 / rb, acks: 1, limit: Limit::Batches(n) })?;
        println!("{p:?} {}", p.per_second());
    }
    for _ in 0..a[4].parse()? {
        let t = Instant::now();
        let c = consume(&a[1], "x", 4)?;
        println!("{:.2} GB/s {:.0} k/s", c.bytes as f64 / c.seconds / 1e9, c.records as f64 / c.seconds / 1e3);
        let _ = t;
    }
    Ok(())
}
