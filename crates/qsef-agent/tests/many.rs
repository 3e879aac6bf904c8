//! Many runs in one process.

#![allow(clippy::unwrap_used)] // helpers of tests are test code

mod support;

use qsef_agent::RunOptions;
use support::{echo, hub};

/// The memory of this process that is in use, in KiB; known on Linux.
fn memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_runs_at_once_leave_nothing_behind() {
    let steps: &[(&str, &[usize])] = &[("paint work now", &[]), ("count work of it", &[1]), ("sing work of it", &[2])];
    let (hub, request) = hub(steps, vec![echo("paint"), echo("count"), echo("sing")], None).await;
    let mut after = Vec::new();
    for _ in 0..8 {
        let runs = (0..1000).map(|_| hub.run(&request, RunOptions::default()));
        let reports = futures::future::join_all(runs).await;
        assert!(reports.into_iter().all(|r| r.unwrap().answer.ends_with("sing(count(paint()))")));
        after.extend(memory());
    }
    // The allocator takes what the first rounds need; a leak of 1 KiB a run would show as 5,000 KiB after them.
    if let [_, _, early, .., late] = after.as_slice() {
        assert!(late.saturating_sub(*early) < 2_500, "KiB after each thousand runs: {after:?}");
    }
}
