//! What is asked for: classes of work, how often each comes and how long it takes, and when.

/// How long the work of a class takes, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Service {
    Fixed(f64),
    Exponential(f64),
}

impl Service {
    pub(super) fn mean(self) -> f64 {
        match self {
            Service::Fixed(ns) | Service::Exponential(ns) => ns,
        }
    }
}

/// A class of work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    pub(super) name: &'static str,
    /// Its part of all requests.
    pub(super) share: f64,
    pub(super) service: Service,
    /// Whether it is one of the long ones, for modes that keep them apart.
    pub(super) is_long: bool,
}

/// A mixture of classes.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) classes: Vec<Class>,
}

const fn fixed(name: &'static str, share: f64, us: f64, is_long: bool) -> Class {
    Class { name, share, service: Service::Fixed(us * 1000.0), is_long }
}

impl Workload {
    /// All there are. The first three are those of Persephone (SOSP '21).
    pub(super) fn all() -> [Workload; 5] {
        [
            Workload {
                name: "extreme",
                about: "99.5 % take 0.5 us, the others 500 us",
                classes: vec![fixed("short", 0.995, 0.5, false), fixed("long", 0.005, 500.0, true)],
            },
            Workload {
                name: "high",
                about: "half take 1 us, half 100 us",
                classes: vec![fixed("short", 0.5, 1.0, false), fixed("long", 0.5, 100.0, true)],
            },
            Workload {
                name: "tpcc",
                about: "the five transactions of TPC-C, 5.7 to 100 us",
                classes: vec![
                    fixed("Payment", 0.44, 5.7, false),
                    fixed("OrderStatus", 0.04, 6.0, false),
                    fixed("NewOrder", 0.44, 20.0, false),
                    fixed("Delivery", 0.04, 88.0, true),
                    fixed("StockLevel", 0.04, 100.0, true),
                ],
            },
            Workload {
                name: "exponential",
                about: "1 us on the average",
                classes: vec![Class { name: "all", share: 1.0, service: Service::Exponential(1000.0), is_long: false }],
            },
            Workload {
                name: "packets",
                about: "99.99 % take 1 us, the others 1 ms, and nobody knows which before they are begun",
                classes: vec![fixed("cheap", 0.9999, 1.0, false), fixed("dear", 0.0001, 1000.0, true)],
            },
        ]
    }

    pub(super) fn find(name: &str) -> Option<Workload> {
        Workload::all().into_iter().find(|workload| workload.name == name)
    }

    /// The same with all work this much longer.
    pub(super) fn scaled(mut self, by: f64) -> Workload {
        for class in &mut self.classes {
            class.service = match class.service {
                Service::Fixed(ns) => Service::Fixed(ns * by),
                Service::Exponential(ns) => Service::Exponential(ns * by),
            };
        }
        self
    }

    /// How long a request takes on the average, in nanoseconds.
    pub(super) fn mean(&self) -> f64 {
        self.classes.iter().map(|class| class.share * class.service.mean()).sum()
    }

    /// When requests come and what they are: independent of each other, at such a rate that `workers` have this part of what they
    /// can do. The same seed gives the same requests.
    pub(super) fn schedule(&self, requests: usize, load: f64, workers: usize, seed: u64) -> Vec<Request> {
        let mut random = Random(seed);
        let gap = self.mean() / (load * workers as f64);
        let mut at = 0.0;
        (0..requests)
            .map(|_| {
                at += random.exponential(gap);
                let mut draw = random.uniform();
                let class = self.classes.iter().position(|class| {
                    draw -= class.share;
                    draw < 0.0
                });
                let class = class.unwrap_or(self.classes.len() - 1);
                let service = match self.classes[class].service {
                    Service::Fixed(ns) => ns,
                    Service::Exponential(ns) => random.exponential(ns),
                };
                Request { at_ns: at as u64, service_ns: service as u32, class: class as u8 }
            })
            .collect()
    }
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Request {
    /// When it comes, counted from the beginning.
    pub(super) at_ns: u64,
    pub(super) service_ns: u32,
    pub(super) class: u8,
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, and without, 1.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_and_means_as_published() {
        for workload in Workload::all() {
            let shares: f64 = workload.classes.iter().map(|class| class.share).sum();
            assert!((shares - 1.0).abs() < 1e-9, "{}", workload.name);
        }
        assert!((Workload::find("extreme").unwrap().mean() - 2997.5).abs() < 1e-6);
    }

    #[test]
    fn a_seed_gives_one_schedule_of_the_load_asked_for() {
        let workload = Workload::find("high").unwrap().scaled(2.0);
        let schedule = workload.schedule(100_000, 0.5, 4, 7);
        assert_eq!(schedule, workload.schedule(100_000, 0.5, 4, 7));
        assert_ne!(schedule, workload.schedule(100_000, 0.5, 4, 8));
        let work: f64 = schedule.iter().map(|request| f64::from(request.service_ns)).sum();
        let load = work / schedule.last().unwrap().at_ns as f64 / 4.0;
        assert!((load - 0.5).abs() < 0.01, "{load}");
        // Gaps as of a Poisson process: as many above ln 2 times the mean as below.
        let gap = workload.mean() / 2.0;
        let above =
            schedule.windows(2).filter(|pair| (pair[1].at_ns - pair[0].at_ns) as f64 > gap * std::f64::consts::LN_2);
        let part = above.count() as f64 / 1e5;
        assert!((part - 0.5).abs() < 0.01, "{part}");
    }
}
