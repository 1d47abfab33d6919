// SPDX-License-Identifier: MIT
//! /bin/true through the remote executor of the Rust original, as its documentation has it.
//!
//! usage: rust-original ADDRESS latency|true COUNT
//!
//! `latency` runs one after the other on one connection. `true` keeps two running: each over a
//! connection of its own, since one that is shared waits for one answer before it sends the next.
use repartir::error::Result;
use repartir::executor::remote::RemoteExecutor;
use repartir::executor::Executor;
use repartir::task::{Backend, Task};
use std::time::Instant;

/// Runs `count` programs. Gives how long each took, and how many ended well.
async fn run(address: String, count: usize) -> Result<(Vec<u128>, usize)> {
    let executor = RemoteExecutor::new().await?;
    executor.add_worker(&address).await?;
    let mut times = Vec::with_capacity(count);
    let mut well = 0;
    for _ in 0..count {
        let begin = Instant::now();
        let task = Task::builder()
            .binary("/bin/true")
            .backend(Backend::Remote)
            .build()?;
        let result = executor.execute(task).await?;
        times.push(begin.elapsed().as_nanos());
        well += usize::from(result.is_success());
    }
    Ok((times, well))
}

/// Runs them, and prints the figures as the other benchmark programs do.
async fn measure(address: &str, mode: &str, count: usize) -> Result<()> {
    let connections = if mode == "latency" { 1 } else { 2 };
    run(address.to_string(), 2).await?;
    let begin = Instant::now();
    let lanes: Vec<_> = (0..connections)
        .map(|_| tokio::spawn(run(address.to_string(), count / connections)))
        .collect();
    let mut times = Vec::new();
    let mut well = 0;
    for lane in lanes {
        if let Ok(Ok((some, good))) = lane.await {
            times.extend(some);
            well += good;
        }
    }
    let each = begin.elapsed().as_nanos() as f64 / count as f64;
    times.sort_unstable();
    let p50 = times.get(times.len() / 2).copied().unwrap_or(0);
    println!(
        "{{\"problem\": \"remote_programs\", \"implementation\": \"rust_original\", \
         \"mode\": \"{mode}\", \"items\": {count}, \"ns_per_item\": {each}, \
         \"latency_p50_ns\": {p50}, \"correct\": {}}}",
        well == count
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let [_, address, mode, count] = words.as_slice() else {
        eprintln!("usage: rust-original ADDRESS latency|true COUNT");
        std::process::exit(2);
    };
    measure(address, mode, count.parse().unwrap_or(2)).await
}
