//! A simulator of the same policies: servers that take from queues, without a machine in between. It is given the requests of a run, with
//! the times that their work really took, and says when each would have been done had the workers done nothing else.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A request, as the simulator sees it: when it comes, how long it takes, and in which queue it waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) at_ns: u64,
    pub(super) service_ns: u64,
    pub(super) queue: usize,
}

/// A server takes from its queues, in their order, what has waited so long at least; first what is its own. After it was lent to a queue for
/// which it asks patience, it is not lent again for as long.
pub(super) type Server = Vec<(usize, u64)>;

/// Who serves what.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) queues: usize,
    pub(super) servers: Vec<Server>,
}

impl Policy {
    /// One queue, and servers that are never idle while somebody waits: what perfect stealing comes to.
    pub(super) fn one_queue(servers: usize) -> Policy {
        Policy { queues: 1, servers: vec![vec![(0, 0)]; servers] }
    }

    /// Short jobs in queue 0, which all servers take first, and long ones in queue 1, which the first `kept` servers take when they have waited
    /// so long.
    pub(super) fn reserving(servers: usize, kept: usize, patience_ns: u64) -> Policy {
        let server = |server| vec![(0, 0), (1, if server < kept { patience_ns } else { 0 })];
        Policy { queues: 2, servers: (0..servers).map(server).collect() }
    }

    /// Queues with servers of their own.
    pub(super) fn apart(servers: &[usize]) -> Policy {
        let own = |(queue, &count): (usize, &usize)| vec![vec![(queue, 0)]; count];
        Policy { queues: servers.len(), servers: servers.iter().enumerate().flat_map(own).collect() }
    }
}

/// What happens: somebody is free, or somebody has waited long enough.
type Event = Reverse<(u64, Option<usize>)>;

/// When each job is done. They are given in the order in which they come.
pub(super) fn simulate(policy: &Policy, jobs: &[Job]) -> Vec<u64> {
    let mut done = vec![0; jobs.len()];
    let mut queues = vec![VecDeque::new(); policy.queues];
    // Those who wait longest for work first, as queues of workers are.
    let mut idle: VecDeque<usize> = (0..policy.servers.len()).collect();
    // Until when each is not lent again.
    let mut lent = vec![0u64; policy.servers.len()];
    let mut events = BinaryHeap::<Event>::new();
    let patience = |queue: usize| {
        policy.servers.iter().flatten().filter(move |(served, _)| *served == queue).map(|(_, patience)| *patience)
    };
    let mut next = 0;
    loop {
        let arrival = jobs.get(next).map(|job| job.at_ns);
        let event = events.peek().map(|Reverse((at, _))| *at);
        let now = match (arrival, event) {
            (Some(arrival), Some(event)) => arrival.min(event),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => return done,
        };
        while let Some(Reverse((at, server))) = events.peek().copied()
            && at == now
        {
            events.pop();
            idle.extend(server);
        }
        while next < jobs.len() && jobs[next].at_ns == now {
            queues[jobs[next].queue].push_back(next);
            for patience in patience(jobs[next].queue).filter(|patience| *patience != 0) {
                events.push(Reverse((now.saturating_add(patience), None)));
            }
            next += 1;
        }
        let mut seat = 0;
        while seat < idle.len() {
            let server = idle[seat];
            let taken = policy.servers[server].iter().find_map(|&(queue, patience)| {
                let front = *queues[queue].front()?;
                let may = jobs[front].at_ns.saturating_add(patience) <= now && (patience == 0 || lent[server] <= now);
                may.then(|| queues[queue].pop_front()).flatten().map(|job| (job, patience))
            });
            match taken {
                Some((job, patience)) => {
                    idle.remove(seat);
                    done[job] = now + jobs[job].service_ns;
                    events.push(Reverse((done[job], Some(server))));
                    if patience != 0 {
                        lent[server] = done[job] + patience;
                        events.push(Reverse((lent[server], None)));
                    }
                }
                None => seat += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::workload::{Class, Service, Workload};
    use super::*;

    const REQUESTS: usize = 1_000_000;
    const MEAN: f64 = 10_000.0;

    /// The waits, in parts of the mean service, at this load.
    fn waits(service: Service, servers: usize, load: f64) -> (Vec<f64>, Vec<f64>) {
        let classes = vec![Class { name: "all", share: 1.0, service, is_long: false }];
        let workload = Workload { name: "test", about: "", classes };
        let schedule = workload.schedule(REQUESTS, load, servers, 42);
        let jobs: Vec<Job> = schedule
            .iter()
            .map(|request| Job { at_ns: request.at_ns, service_ns: request.service_ns.into(), queue: 0 })
            .collect();
        let done = simulate(&Policy::one_queue(servers), &jobs);
        let sojourn = |(job, done): (&Job, &u64)| (done - job.at_ns) as f64 / MEAN;
        let sojourns: Vec<f64> = jobs.iter().zip(&done).map(sojourn).skip(REQUESTS / 10).collect();
        let waits = jobs.iter().zip(&done).map(|(job, done)| (done - job.at_ns - job.service_ns) as f64 / MEAN);
        (waits.skip(REQUESTS / 10).collect(), sojourns)
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    fn quantile(mut values: Vec<f64>, quantile: f64) -> f64 {
        values.sort_by(f64::total_cmp);
        values[(values.len() as f64 * quantile) as usize]
    }

    fn near(found: f64, wanted: f64, what: &str) {
        assert!((found / wanted - 1.0).abs() < 0.05, "{what}: {found:.4} instead of {wanted:.4}");
    }

    /// M/M/1: the time in the system is exponential, of mean 1 / (1 - load).
    #[test]
    fn one_server_and_exponential_work() {
        for load in [0.3, 0.5, 0.7, 0.85] {
            let (waits, sojourns) = waits(Service::Exponential(MEAN), 1, load);
            near(mean(&waits), load / (1.0 - load), "the mean wait");
            near(quantile(sojourns.clone(), 0.5), std::f64::consts::LN_2 / (1.0 - load), "the median");
            near(quantile(sojourns, 0.99), 100f64.ln() / (1.0 - load), "the 99th percentile");
        }
    }

    /// M/M/k: Erlang's C gives how many wait, and how long.
    #[test]
    fn several_servers_and_exponential_work() {
        for (servers, load) in [(2usize, 0.5), (2, 0.85), (8, 0.7), (14, 0.85)] {
            let offered = load * servers as f64;
            let term = |n: usize| (1..=n).fold(1.0, |term, i| term * offered / i as f64);
            let last = term(servers) / (1.0 - load);
            let erlang_c = last / ((0..servers).map(term).sum::<f64>() + last);
            let (waits, _) = waits(Service::Exponential(MEAN), servers, load);
            let waiting = waits.iter().filter(|wait| **wait > 0.0).count() as f64 / waits.len() as f64;
            near(waiting, erlang_c, "how many wait");
            near(mean(&waits), erlang_c / (servers as f64 * (1.0 - load)), "the mean wait");
        }
    }

    /// M/D/1: Pollaczek and Khinchine, half of what exponential work waits.
    #[test]
    fn one_server_and_work_of_one_length() {
        for load in [0.3, 0.5, 0.7, 0.85] {
            let (waits, _) = waits(Service::Fixed(MEAN), 1, load);
            near(mean(&waits), load / (2.0 * (1.0 - load)), "the mean wait");
        }
    }

    /// By hand: two queues, of which the second's server is helped after 10.
    #[test]
    fn a_server_helps_with_what_has_waited_long() {
        let policy = Policy { queues: 2, servers: vec![vec![(0, 0), (1, 10)], vec![(1, 0)]] };
        let job = |at_ns, service_ns, queue| Job { at_ns, service_ns, queue };
        let jobs = [job(0, 100, 1), job(1, 50, 1), job(5, 2, 0), job(20, 3, 0), job(200, 1, 1)];
        // The second long one waits from 1 to 11, is then done by the first server, and the short one that comes at 20 waits for it.
        assert_eq!(simulate(&policy, &jobs), [100, 61, 7, 64, 201]);
        assert_eq!(simulate(&Policy::apart(&[1, 1]), &jobs), [100, 150, 7, 23, 201]);
        // The second server begins with the first long one, the first is lent to the second one at 11, then not before 71, then not before 90.
        let more = [job(0, 100, 1), job(1, 50, 1), job(5, 2, 0), job(20, 3, 0), job(30, 9, 1), job(32, 9, 1)];
        assert_eq!(simulate(&Policy::reserving(2, 1, 10), &more), [100, 61, 7, 64, 80, 99]);
        let together = jobs.map(|job| Job { queue: 0, ..job });
        assert_eq!(simulate(&Policy::one_queue(2), &together), [100, 51, 53, 56, 201]);
    }
}
