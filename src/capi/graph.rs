//! Task graphs.

use super::arguments::{clear, null, required};
use super::callbacks::worker_pointer;
use super::callbacks::{
    UserData, required_callback, vgpu_allocate_fn, vgpu_condition_fn, vgpu_destroy_fn, vgpu_free_fn, vgpu_task_fn,
};
use super::config::host_allocator;
use super::error::{callback_result, guard};
use super::future::write_code;
use super::pool::vgpu_pool;
use super::sized::{self, Sized32};
use super::status::vgpu_status;
use crate::error::{Result, error};
use crate::os::alloc::{Allocator, Owned};
use crate::parallel::graph::{Answer, Builder, Choice, Graph, OnFailure, Vertex};
use crate::pool::{Pool, Worker};
use core::cell::Cell;
use core::ffi::{CStr, c_char, c_void};
use core::mem;
use core::ptr::{self, NonNull};

/// When a vertex fails, only those are skipped that come after it. Without this flag nothing is started any more.
pub const VGPU_GRAPH_SKIP_SUCCESSORS: u32 = 1;

/// A vertex of one graph, and of no other. 0 is never one.
pub type vgpu_vertex = u64;

/// The settings of a graph. Begin with vgpu_graph_config_init(); zero always means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vgpu_graph_config {
    /// The size of this struct as the program was compiled; set by vgpu_graph_config_init().
    pub struct_size: u32,
    /// VGPU_GRAPH_ flags, or 0.
    pub flags: u32,
    /// Where the graph's memory comes from, and where it goes back to: both or neither.
    pub allocate: vgpu_allocate_fn,
    /// See allocate.
    pub free: vgpu_free_fn,
    /// Passed to both.
    pub allocator_context: *mut c_void,
}

/// Functions that run when those before them have, as often as the program likes.
pub struct vgpu_graph {
    /// Without vertices once the graph is built.
    builder: Builder<'static>,
    built: Option<Graph<'static>>,
    /// The pool of the run that was launched and not waited for yet.
    launched: Cell<*const Pool>,
    allocator: Allocator,
}

/// A vertex's function with its data. Dropping it ends the life of the data.
struct CVertex<F> {
    function: F,
    user_data: UserData,
    destroy: vgpu_destroy_fn,
}

impl<F> Drop for CVertex<F> {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the program vouches for its function and data; once, since the vertex ends here.
            unsafe { destroy(self.user_data.0) }
        }
    }
}

/// Adds a vertex that runs as `call` says.
///
/// # Safety
/// As the header says of the arguments.
unsafe fn add<F: Send + 'static, T: Answer>(
    graph: *mut vgpu_graph,
    name: *const c_char,
    function: Option<F>,
    (user_data, destroy): (*mut c_void, vgpu_destroy_fn),
    vertex: *mut vgpu_vertex,
    call: impl Fn(&F, &Worker, *mut c_void) -> Result<T> + Send + 'static,
) -> Result<()> {
    // SAFETY: the caller vouches for the outputs, the handle, and a terminated name.
    unsafe {
        if !vertex.is_null() {
            vertex.write(0);
        }
        let graph = exclusive(graph)?;
        let function = required_callback(function)?;
        let name = if name.is_null() { c"" } else { CStr::from_ptr(name) };
        let name = name
            .to_str()
            .map_err(|_| error!(InvalidArgument, "the name of a vertex is not UTF-8; give it another one, or none"))?;
        // Made when nothing can fail any more, because its end calls `destroy`.
        let make = move || {
            let body = CVertex { function, user_data: UserData(user_data), destroy };
            move |worker: &Worker| {
                let body = &body;
                call(&body.function, worker, body.user_data.0)
            }
        };
        let made = graph.building()?.add_with(name, make)?;
        if !vertex.is_null() {
            vertex.write(made.bits());
        }
    }
    Ok(())
}

// SAFETY: `repr(C)`, begins with its size, and zeroes are the defaults but for that size.
unsafe impl Sized32 for vgpu_graph_config {
    const NAME: &'static str = "vgpu_graph_config";
    const DEFAULT: vgpu_graph_config = vgpu_graph_config {
        struct_size: mem::size_of::<vgpu_graph_config>() as u32,
        flags: 0,
        allocate: None,
        free: None,
        allocator_context: ptr::null_mut(),
    };
}

impl vgpu_graph_config {
    /// The choice and the allocator that a caller's struct asks for.
    ///
    /// # Safety
    /// `config` is NULL or points to as many readable bytes as its first field says.
    unsafe fn read(config: *const vgpu_graph_config) -> Result<(OnFailure, Allocator)> {
        // SAFETY: by contract.
        let config = unsafe { sized::read(config)? };
        let on_failure = match config.flags {
            0 => OnFailure::SkipRest,
            VGPU_GRAPH_SKIP_SUCCESSORS => OnFailure::SkipSuccessors,
            flags => {
                return Err(error!(
                    InvalidArgument,
                    "vgpu_graph_config.flags is {flags:#x}; the known flags are {VGPU_GRAPH_SKIP_SUCCESSORS:#x}"
                ));
            }
        };
        // SAFETY: the header asks of the functions what this asks.
        let allocator =
            unsafe { host_allocator("vgpu_graph_config", config.allocate, config.free, config.allocator_context)? };
        Ok((on_failure, allocator))
    }
}

impl vgpu_graph {
    fn built(&self) -> Result<&Graph<'static>> {
        self.built.as_ref().ok_or_else(|| {
            error!(
                InvalidArgument,
                "a graph was to be run that is not built yet; call vgpu_graph_build when all vertices and edges are there"
            )
        })
    }

    fn building(&mut self) -> Result<&mut Builder<'static>> {
        match self.built {
            None => Ok(&mut self.builder),
            Some(_) => {
                Err(error!(InvalidArgument, "a graph that is built takes no more vertices or edges; make another one"))
            }
        }
    }
}

/// A handle that is about to be changed.
///
/// # Safety
/// The pointer is NULL, or a handle that no other thread uses meanwhile.
unsafe fn exclusive<'a>(graph: *mut vgpu_graph) -> Result<&'a mut vgpu_graph> {
    // SAFETY: by contract.
    unsafe { graph.as_mut() }.ok_or_else(|| null("graph"))
}

/// Fills a config with the defaults. Programs call the macro vgpu_graph_config_init(), which knows the size.
///
/// @param config  where to write; NULL does nothing
/// @param size    sizeof(vgpu_graph_config) as the program was compiled; what lies beyond this library's knowledge is zeroed
/// @note Thread safety: any thread, each on its own config.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_graph_config_init_sized(config: *mut vgpu_graph_config, size: u32) {
    // SAFETY: the caller vouches for `size` writable bytes.
    unsafe { sized::init(config, size) }
}

/// Makes a graph without vertices.
///
/// A graph is made once and run often: add the vertices, say with vgpu_graph_precede() which waits for which, build it, and
/// run it with vgpu_graph_run(), or with vgpu_graph_launch() and vgpu_graph_wait(). It belongs to no pool. Runs
/// allocate nothing.
///
/// @param config  the settings; NULL for the defaults
/// @param graph   where the handle goes; NULL goes there on failure
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for a setting out of range; VGPU_ERROR_OUT_OF_MEMORY
/// @note Thread safety: any thread.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_graph_create(
    config: *const vgpu_graph_config,
    graph: *mut *mut vgpu_graph,
) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the output and for the config.
        unsafe {
            clear(graph, "graph, where the handle would go,")?;
            let (on_failure, allocator) = vgpu_graph_config::read(config)?;
            let mut builder = Builder::new_in(allocator);
            builder.on_failure(on_failure);
            let made = vgpu_graph { builder, built: None, launched: Cell::new(ptr::null()), allocator };
            graph.write(Owned::into_raw(Owned::new(allocator, made)?).as_ptr());
        }
        Ok(())
    })
}

/// Adds a vertex: each run calls its function once, on some worker, when all vertices before it have returned. What those
/// wrote is visible to it. A function that returns a number other than 0 fails, as a task does.
///
/// @param graph      a graph that is not built yet
/// @param name       by which errors tell the vertex; copied. NULL or "": by its number
/// @param function   the function
/// @param user_data  passed to it
/// @param destroy    called once with user_data when the graph is destroyed; may be NULL. Not called if this fails
/// @param vertex     where the vertex goes, 0 on failure; may be NULL
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_OVERFLOW for more than 2^32 - 1 vertices
/// @note Thread safety: one thread at a time for one graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_graph_add(
    graph: *mut vgpu_graph,
    name: *const c_char,
    function: vgpu_task_fn,
    user_data: *mut c_void,
    destroy: vgpu_destroy_fn,
    vertex: *mut vgpu_vertex,
) -> vgpu_status {
    guard(|| {
        // SAFETY: the program vouches for its function and data, and for the rest.
        unsafe {
            add(graph, name, function, (user_data, destroy), vertex, |function, worker, user_data| {
                callback_result(function(worker_pointer(Some(worker)), user_data))
            })
        }
    })
}

/// Adds a condition: a vertex that chooses which of its successors run, one, several or none, and so makes branches and loops.
///
/// An edge from a condition is weak: its end waits to be chosen, and for nothing else. A run goes in rounds. The first has what
/// nothing comes before, and all that follows without a choice. When a round has ended, to its last vertex, what its conditions
/// have chosen begins the next, each vertex once. When nothing was chosen, the run is over. A condition may choose itself, or what has
/// run before: it is for the program to end such a loop, or for vgpu_graph_cancel().
///
///     start -> body        start and again are conditions that choose body; again does so until it has had enough
///     body  -> again
///     again -> body
///
/// A condition that fails or is skipped chooses nothing. One that chooses a successor that it does not have fails with
/// VGPU_ERROR_INVALID_ARGUMENT. It has 63 edges at most.
///
/// @param graph      a graph that is not built yet
/// @param name       as for vgpu_graph_add()
/// @param function   the function
/// @param user_data  passed to it
/// @param destroy    called once with user_data when the graph is destroyed; may be NULL. Not called if this fails
/// @param vertex     where the vertex goes, 0 on failure; may be NULL
/// @return as vgpu_graph_add()
/// @note Thread safety: one thread at a time for one graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_graph_add_condition(
    graph: *mut vgpu_graph,
    name: *const c_char,
    function: vgpu_condition_fn,
    user_data: *mut c_void,
    destroy: vgpu_destroy_fn,
    vertex: *mut vgpu_vertex,
) -> vgpu_status {
    guard(|| {
        // SAFETY: as in `vgpu_graph_add`.
        unsafe {
            add(graph, name, function, (user_data, destroy), vertex, |function, worker, user_data| {
                let mut chosen = 0;
                callback_result(function(worker_pointer(Some(worker)), user_data, &raw mut chosen))?;
                Ok(Choice::from_bits(chosen))
            })
        }
    })
}

/// Adds an edge: `after` does not start before `before` has returned. An edge that is there already changes nothing. If `before` is a
/// condition, `after` is its next choice.
///
/// @param graph   a graph that is not built yet
/// @param before  a vertex of it
/// @param after   another one; or a condition itself
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL, for a vertex of another graph, and for an edge from a vertex that is no
///         condition to itself; VGPU_ERROR_OUT_OF_MEMORY
/// @note Thread safety: one thread at a time for one graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_graph_precede(
    graph: *mut vgpu_graph,
    before: vgpu_vertex,
    after: vgpu_vertex,
) -> vgpu_status {
    // SAFETY: the caller vouches for the handle.
    guard(|| unsafe { exclusive(graph)?.building()?.precede(Vertex::from_bits(before), Vertex::from_bits(after)) })
}

/// Checks that the graph can be run to its end, and makes it ready for that. It takes no more vertices and edges then.
///
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL, for a graph that is built already, for a cycle: the message tells
///         its vertices in order; and for a vertex that waits for what may not be chosen, that is waited for and chosen, or that no
///         way leads to. The graph then stays as it is; VGPU_ERROR_OUT_OF_MEMORY
/// @note Thread safety: one thread at a time for one graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_graph_build(graph: *mut vgpu_graph) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the handle.
        let graph = unsafe { exclusive(graph)? };
        graph.built = Some(graph.building()?.try_build()?);
        Ok(())
    })
}

/// Runs a graph, and returns when every vertex has run or was skipped.
///
/// When a vertex fails, the others that have not started are skipped: all of them, or, with VGPU_GRAPH_SKIP_SUCCESSORS, those that
/// come after it. After any end the graph can be run again.
///
/// @param graph      a graph that is built
/// @param pool       where it runs
/// @param task_code  where the number goes that the first failing function returned, or 0; may be NULL
/// @return VGPU_OK; the first failure of a vertex, as vgpu_future_get() gives it; VGPU_ERROR_CANCELLED if vgpu_graph_cancel()
///         came before the last vertex had started; VGPU_ERROR_INVALID_ARGUMENT for NULL, or a graph that is not built;
///         VGPU_ERROR_ALREADY_STARTED if a run is in progress, which goes on; VGPU_ERROR_STACK_LIMIT for a task so deep in
///         recursion that its worker cannot run more; VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED
/// @note Thread safety: any thread, tasks included. Blocks; inside a task it helps, as vgpu_future_get() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_graph_run(
    graph: *mut vgpu_graph,
    pool: *mut vgpu_pool,
    task_code: *mut i32,
) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the output.
        unsafe { write_code(task_code, 0) };
        let (graph, pool) = (required(graph, "graph")?, required(pool, "pool")?);
        // SAFETY: as above.
        graph.built()?.run(pool.pool()).inspect_err(|error| unsafe { write_code(task_code, error.task_code()) })
    })
}

/// Begins to run a graph, and returns at once. vgpu_graph_wait() is to be called before the graph runs again, and before the
/// pool is destroyed.
///
/// @param graph  a graph that is built
/// @param pool   where it runs
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL, or a graph that is not built; VGPU_ERROR_ALREADY_STARTED if a run
///         is in progress or was not waited for; VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED
/// @note Thread safety: one thread at a time for one graph. Does not block, unless the pool was told to when the inbox is full.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_graph_launch(graph: *mut vgpu_graph, pool: *mut vgpu_pool) -> vgpu_status {
    guard(|| {
        let (graph, pool) = (required(graph, "graph")?, required(pool, "pool")?);
        // SAFETY: the caller vouches for waiting before the pool ends.
        unsafe { graph.built()?.start(pool.pool().core())? };
        // Only now is the run this thread's, and with it the field.
        graph.launched.set(pool.pool());
        Ok(())
    })
}

/// Waits for the run that vgpu_graph_launch() began, and says how it ended.
///
/// @param graph      the graph
/// @param task_code  where the number goes that the first failing function returned, or 0; may be NULL
/// @return as vgpu_graph_run(); VGPU_ERROR_INVALID_ARGUMENT for NULL, and if no run was launched or it was waited for before;
///         VGPU_ERROR_STACK_LIMIT, and the run is still to be waited for
/// @note Thread safety: one thread at a time for one graph. Blocks; inside a task it helps, as vgpu_future_get() does. A vertex
///       of the same graph must not call it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_graph_wait(graph: *mut vgpu_graph, task_code: *mut i32) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the output and the handle, and that no other thread waits.
        unsafe {
            write_code(task_code, 0);
            let graph = required(graph, "graph")?;
            let built = graph.built()?;
            let pool = graph.launched.get().as_ref().ok_or_else(|| {
                error!(
                    InvalidArgument,
                    "no run of the graph was launched, or it was waited for before; launch it first"
                )
            })?;
            pool.check_process()?;
            pool.core().current_worker().map_or(Ok(()), Worker::check_stack)?;
            // Before the end, after which the field may be another run's.
            graph.launched.set(ptr::null());
            built.finish(pool.core()).inspect_err(|error| write_code(task_code, error.task_code()))
        }
    })
}

/// Cancels the run in progress: what has not started is skipped. Does nothing when there is no run.
///
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL, or a graph that is not built
/// @note Thread safety: any thread, vertices of the graph included. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_graph_cancel(graph: *mut vgpu_graph) -> vgpu_status {
    guard(|| {
        required(graph, "graph")?.built()?.cancel();
        Ok(())
    })
}

/// How many vertices the last run has skipped, after a failure or because it was cancelled. What no condition chose is not among
/// them.
///
/// @return the number; 0 for NULL and for a graph that is not built
/// @note Thread safety: any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_graph_skipped(graph: *const vgpu_graph) -> usize {
    // SAFETY: the caller vouches for a handle that is not NULL.
    unsafe { graph.as_ref() }.and_then(|graph| graph.built().ok()).map_or(0, Graph::skipped)
}

/// Waits for a run in progress, calls the destroy function of every vertex, and frees the graph.
///
/// @param graph  the graph; NULL does nothing
/// @return VGPU_OK; VGPU_ERROR_FORKED in a forked child if a run was in progress when the process forked: its vertices would never be
///         done, and the memory is left alone
/// @note Thread safety: once; nobody may use the graph afterwards. Not from a vertex of the graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_graph_destroy(graph: *mut vgpu_graph) -> vgpu_status {
    guard(|| {
        let Some(graph) = NonNull::new(graph) else { return Ok(()) };
        // SAFETY: the caller vouches for the handle, and gives it up; the pool of a run that was not waited for is there.
        unsafe {
            let vgpu_graph { built, launched, allocator, .. } = graph.as_ref();
            if let Some(built) = built {
                built.check_process()?;
                if let Some(pool) = launched.get().as_ref() {
                    // What it failed with nobody asks for any more.
                    let _ = built.finish(pool.core());
                }
            }
            let allocator = *allocator;
            drop(Owned::from_raw(allocator, graph));
        }
        Ok(())
    })
}
