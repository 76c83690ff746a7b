//! What workers did when: spans recorded while tracing is on, written in Chrome's trace-event format, which Perfetto opens.
//!
//! Each worker records into a [log](crate::protocol::event_log) of its own, of a fixed number of events; what comes when it is full is
//! counted and told, not kept. While tracing is off, and no profiler is hooked in, a task pays for one load and one branch
//! that goes the same way each time.
//!
//! A span is recorded when it ends, if tracing went on from its beginning to its end. So the spans of a session sum to what the statistics
//! counted between the same two moments, but for what was under way at either.

use super::config::{HookFn, Hooks};
use super::counters::Distance;
use super::worker::{GUEST, Worker};
use crate::error::{Error, Result, error};
use crate::os::alloc::{Allocator, Array};
use crate::os::clock;
use crate::protocol::CacheLine;
use crate::protocol::event_log::{Claim, Log, Recorder, Session};
use crate::sync::{Count, Hint};
use core::fmt::{self, Write};

/// How many events a worker's log holds unless told otherwise.
pub const DEFAULT_TRACE_EVENTS: usize = 1 << 14;
/// The most events a worker's log may hold: 64 bytes each.
pub const MAX_TRACE_EVENTS: usize = 1 << 24;
/// How many bytes of a label are kept.
pub const MAX_LABEL: usize = 38;

/// A name for a piece of work, in place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    len: u8,
    bytes: [u8; MAX_LABEL],
}

impl Label {
    pub(super) const NONE: Label = Label { len: 0, bytes: [0; MAX_LABEL] };

    fn new(text: &str) -> Label {
        let text = &text[..text.floor_char_boundary(MAX_LABEL)];
        let mut bytes = [0; MAX_LABEL];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Label { len: text.len() as u8, bytes }
    }

    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len as usize]).unwrap_or("")
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A submitted task.
    Task,
    /// A forked job that was taken out of a deque.
    Job,
    /// A look around for work.
    Search,
    /// A sleep.
    Park,
    /// A theft from the worker in `other`, at the distance in `detail`.
    Steal,
    /// A call out of a sleep.
    Wake,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Task => "task",
            Kind::Job => "job",
            Kind::Search => "search",
            Kind::Park => "park",
            Kind::Steal => "steal",
            Kind::Wake => "wake",
        }
    }

    fn is_instant(self) -> bool {
        matches!(self, Kind::Steal | Kind::Wake)
    }
}

/// One line of the trace: 64 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    start_ns: u64,
    duration_ns: u64,
    kind: Kind,
    detail: u8,
    other: u32,
    label: Label,
}

const _: () = assert!(size_of::<Event>() == 64);

/// Somebody wants to know when work begins and ends.
const HOOKED: u32 = 1;
const TRACED: u32 = 2;

/// A pool's recorder and logs, and the hooks of a profiler.
#[derive(Debug)]
pub(crate) struct Trace {
    /// Whether anybody watches. A late look only loses the first spans, or asks the recorder for nothing.
    watchers: CacheLine<Hint>,
    hooks: Hooks,
    recorder: Recorder,
    logs: Array<CacheLine<Log<Event>>>,
    /// How many events the logs hold. Written under the claim of the first session.
    capacity: Count,
    started_ns: Count,
}

/// The beginning of a piece of work, or of something else that lasts.
#[derive(Debug)]
pub(super) struct Span {
    session: Option<Session>,
    start_ns: u64,
    /// The label of the work around this.
    outer: Label,
}

fn busy(what: &str) -> Error {
    error!(
        AlreadyStarted,
        "{what} the trace was asked for while it is being recorded or written; stop it first, or wait for the other call"
    )
}

impl Trace {
    pub(crate) fn new(allocator: Allocator, workers: usize, hooks: Hooks) -> Result<Trace> {
        let hooked = [hooks.on_work_begin, hooks.on_work_end, hooks.on_park, hooks.on_unpark];
        let watchers = if hooked.iter().any(Option::is_some) { HOOKED } else { 0 };
        Ok(Trace {
            watchers: CacheLine(Hint::new(watchers)),
            hooks,
            recorder: Recorder::new(),
            logs: Array::from_fn(allocator, workers, |_| Ok(CacheLine(Log::default())))?,
            capacity: Count::default(),
            started_ns: Count::default(),
        })
    }

    /// Begins a session, making room for `events` a worker at the first; 0 means what there is, or the default.
    pub(super) fn start(&self, allocator: Allocator, events: usize) -> Result<()> {
        if events > MAX_TRACE_EVENTS {
            return Err(error!(
                InvalidArgument,
                "a trace of {events} events a worker was asked for, and the most is {MAX_TRACE_EVENTS}"
            ));
        }
        let claim = self.recorder.claim().ok_or_else(|| busy("starting"))?;
        let room = self.capacity.get() as usize;
        if room != 0 && events > room {
            return Err(error!(
                InvalidArgument,
                "a trace of {events} events a worker was asked for, and the first trace of this pool made room for {room}, which stays"
            ));
        }
        let events = if events == 0 { DEFAULT_TRACE_EVENTS } else { events };
        for log in self.logs.iter() {
            // SAFETY: under the claim of these logs' recorder.
            unsafe { log.make_room(allocator, events)? };
        }
        if room == 0 {
            self.capacity.set(events as u64);
        }
        self.started_ns.set(clock::monotonic_ns());
        // Under the claim, as when it stops: so the last of both is what stays.
        self.watchers.set(self.watchers.get() | TRACED);
        claim.start();
        Ok(())
    }

    /// Ends the session. False when there is none.
    pub(super) fn stop(&self) -> bool {
        let claim = self.recorder.stop();
        if claim.is_some() {
            self.watchers.set(self.watchers.get() & !TRACED);
        }
        claim.is_some()
    }

    #[inline(always)]
    fn is_watched(&self) -> bool {
        self.watchers.get() != 0
    }

    /// The last session, to be written.
    pub(super) fn read(&self) -> Result<Reading<'_>> {
        let claim = self.recorder.claim().ok_or_else(|| busy("writing"))?;
        match self.capacity.get() {
            0 => Err(error!(InvalidArgument, "there is no trace to be written: none was started")),
            _ => Ok(Reading { trace: self, claim }),
        }
    }
}

/// A session that is over, kept while it is written.
#[derive(Debug)]
pub(super) struct Reading<'t> {
    trace: &'t Trace,
    claim: Claim<'t>,
}

impl Reading<'_> {
    /// Writes it as JSON.
    pub(super) fn write(&self, out: &mut dyn Write) -> fmt::Result {
        let mut writer = Writer { out, origin_ns: self.trace.started_ns.get(), process: std::process::id() };
        writer.all(self.trace, &self.claim)
    }
}

impl Worker {
    /// Names the running task, or the forked job that this worker has taken, in traces. At most 38 bytes are kept. Costs a
    /// branch while no trace is being recorded.
    pub fn set_label(&self, label: &str) {
        if self.core().trace().is_watched() {
            self.label.set(Label::new(label));
        }
    }

    /// Something begins that may be watched.
    #[inline(always)]
    pub(super) fn begin_span(&self, kind: Kind) -> Option<Span> {
        match self.core().trace().is_watched() {
            true => Some(self.begin_watched_span(kind)),
            false => None,
        }
    }

    /// It ends.
    #[inline(always)]
    pub(super) fn end_span(&self, span: Option<Span>, kind: Kind) {
        if let Some(span) = span {
            self.end_watched_span(span, kind);
        }
    }

    #[cold]
    fn begin_watched_span(&self, kind: Kind) -> Span {
        let trace = self.core().trace();
        match kind {
            Kind::Task | Kind::Job => self.call(trace.hooks.on_work_begin),
            Kind::Park => self.call(trace.hooks.on_park),
            _ => {}
        }
        Span {
            session: if self.is_guest() { None } else { trace.recorder.observe() },
            start_ns: clock::monotonic_ns(),
            outer: self.label.replace(Label::NONE),
        }
    }

    #[cold]
    fn end_watched_span(&self, span: Span, kind: Kind) {
        let trace = self.core().trace();
        let label = self.label.replace(span.outer);
        let duration_ns = clock::monotonic_ns().saturating_sub(span.start_ns);
        self.record(span.session, Event { start_ns: span.start_ns, duration_ns, kind, detail: 0, other: 0, label });
        match kind {
            Kind::Task | Kind::Job => self.call(trace.hooks.on_work_end),
            Kind::Park => self.call(trace.hooks.on_unpark),
            _ => {}
        }
    }

    /// A span whose two moments are known already.
    #[inline]
    pub(super) fn trace_period(&self, span: Option<Span>, kind: Kind, start_ns: u64, end_ns: u64) {
        if let Some(span) = span {
            self.label.set(span.outer);
            let duration_ns = end_ns.saturating_sub(start_ns);
            let event = Event { start_ns, duration_ns, kind, detail: 0, other: 0, label: Label::NONE };
            self.record(span.session, event);
            if kind == Kind::Park {
                self.call(self.core().trace().hooks.on_unpark);
            }
        }
    }

    /// A theft.
    #[inline]
    pub(super) fn trace_steal(&self, victim: usize, distance: Distance) {
        if self.core().trace().is_watched() {
            self.trace_moment(Kind::Steal, distance as u8, victim as u32);
        }
    }

    /// A call out of a sleep.
    #[inline]
    pub(super) fn trace_wake(&self) {
        if self.core().trace().is_watched() {
            self.trace_moment(Kind::Wake, 0, 0);
        }
    }

    #[cold]
    fn trace_moment(&self, kind: Kind, detail: u8, other: u32) {
        if !self.is_guest() {
            let now = clock::monotonic_ns();
            let event = Event { start_ns: now, duration_ns: 0, kind, detail, other, label: Label::NONE };
            self.record(self.core().trace().recorder.observe(), event);
        }
    }

    /// Keeps an event whose beginning was in this session, if the session lasts.
    fn record(&self, session: Option<Session>, event: Event) {
        let trace = self.core().trace();
        if let Some(session) = session
            && trace.recorder.observe() == Some(session)
        {
            // SAFETY: this thread is the worker, its log's only writer; the session was observed just now.
            unsafe { trace.logs[self.index()].record(session, event) };
        }
    }

    fn call(&self, hook: Option<HookFn>) {
        if let Some(hook) = hook {
            let worker = if self.index() == GUEST { u32::MAX } else { self.index() as u32 };
            // SAFETY: whoever set the hook vouched for calling it on the threads that run work.
            unsafe { hook(self.core().trace().hooks.context, worker) };
        }
    }
}

/// Writes JSON as the trace-event format wants it: times in microseconds with three decimals.
struct Writer<'o> {
    out: &'o mut dyn Write,
    origin_ns: u64,
    process: u32,
}

/// Nanoseconds as microseconds.
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// A text between the quotes of a JSON string.
struct Quoted<'t>(&'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '"' | '\\' => write!(f, "\\{character}"),
            '\0'..='\x1f' => write!(f, "\\u{:04x}", character as u32),
            _ => f.write_char(character),
        })
    }
}

impl Writer<'_> {
    fn all(&mut self, trace: &Trace, claim: &Claim<'_>) -> fmt::Result {
        write!(self.out, "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
        write!(
            self.out,
            "\n{{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":{},\"args\":{{\"name\":\"vgpu-pool\"}}}}",
            self.process
        )?;
        let mut all_dropped = 0;
        for (worker, log) in trace.logs.iter().enumerate() {
            let mut outcome = Ok(());
            let dropped = log.read(claim, |event| {
                if outcome.is_ok() {
                    outcome = self.event(worker, event);
                }
            });
            outcome?;
            all_dropped += dropped;
            write!(
                self.out,
                ",\n{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":{},\"tid\":{worker},\"args\":{{\"name\":\"worker {worker}",
                self.process
            )?;
            if dropped != 0 {
                write!(self.out, " ({dropped} later events dropped)")?;
            }
            write!(self.out, "\"}}}}")?;
        }
        write!(self.out, "\n],\"otherData\":{{\"dropped_events\":{all_dropped}}}}}\n")
    }

    fn event(&mut self, worker: usize, event: &Event) -> fmt::Result {
        let Event { kind, .. } = *event;
        let name = match event.label.as_str() {
            "" => kind.name(),
            label => label,
        };
        write!(
            self.out,
            ",\n{{\"ph\":\"{}\",\"cat\":\"{}\",\"name\":\"{}\",\"pid\":{},\"tid\":{worker},\"ts\":{}",
            if kind.is_instant() { "i" } else { "X" },
            kind.name(),
            Quoted(name),
            self.process,
            Micros(event.start_ns.saturating_sub(self.origin_ns)),
        )?;
        if kind.is_instant() {
            write!(self.out, ",\"s\":\"t\"")?;
        } else {
            write!(self.out, ",\"dur\":{}", Micros(event.duration_ns))?;
        }
        if kind == Kind::Steal {
            let distance = Distance::ALL.get(event.detail as usize).map_or("", |distance| distance.name());
            write!(self.out, ",\"args\":{{\"victim\":{},\"distance\":\"{distance}\"}}", event.other)?;
        }
        self.out.write_char('}')
    }
}
