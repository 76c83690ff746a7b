#!/usr/bin/env bash
# Deletes each fence, each look before a sleep and each wake-up, one at a time, in a copy of the sources, and asks that a
# loom test fails which passes without the deletion. Writes what fell into verification/deletions.md.
#     scripts/deletions.sh                    all of them
#     scripts/deletions.sh src/pool/core.rs   those in one file; verification/deletions.md stays as it is
# A line that is no longer found where this script looks for it is an error: its deletion must be thought of anew.
set -euo pipefail
cd "$(dirname "$0")/.."
only=${1:-}
page=$PWD/verification/deletions.md
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/deletions RUST_BACKTRACE=0
# A build for each row: each should be small.
export CARGO_INCREMENTAL=1 CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0

# The working tree as it is, committed or not. Its times are those of now, so that nothing built before passes for new.
git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- -cf - | tar -xmf - -C "$scratch"
cd "$scratch"

table=
survivors=0
tests=()

build() {
    cargo test --locked --quiet --features loom --test loom --no-run >log 2>&1 || { cat log >&2; fail "$1"; }
}

# Tests that fail may end the process. One that does not end in time is neither: it may only be slow.
run() { # run TEST...
    local status=0
    timeout 1800 cargo test --locked --quiet --features loom --test loom -- --exact "$@" >log 2>&1 || status=$?
    [ "$status" != 124 ] || fail "$*: came to no end"
    return "$status"
}

fail() {
    echo "deletions: $1" >&2
    exit 1
}

section() {
    table+=$'\n'"## $1"$'\n\n| deleted | where | test that falls |\n|---|---|---|\n'
}

in_file() {
    file=$1
}

# deleted FUNCTION WHAT TEST OLD NEW [LINES]
#     Puts NEW in the place of OLD, which must be found on one line of the file, or on LINES of them. TEST must then fail.
deleted() {
    [ -z "$only" ] || [ "$only" = "$file" ] || return 0
    "$each" "$@"
}

note_test() {
    local function=$1 test=$3 old=$4 lines=${6:-1} found
    found=$(grep -cF -- "$old" "$file" || true)
    [ "$found" = "$lines" ] || fail "$file, $function: on $found lines instead of $lines: $old"
    [[ " ${tests[*]} " = *" $test "* ]] || tests+=("$test")
}

mutate() {
    local function=$1 what=$2 test=$3 old=$4 new=$5 row
    cp "$file" kept
    awk -v old="$old" -v new="$new" '
        { at = index($0, old); print at ? substr($0, 1, at - 1) new substr($0, at + length(old)) : $0 }
    ' kept >"$file"
    build "$file, $function: does not compile without: $old"
    row="| $what | \`$file\`, \`$function\` | "
    if run "$test"; then
        row+='**survives**'
        survivors=$((survivors + 1))
    else
        row+="\`$test\`"
    fi
    cp kept "$file"
    echo "$row |"
    table+="$row |"$'\n'
}

# Every row, with what `each` does to it.
rows() {
section 'Fences'

in_file src/protocol/deque.rs
deleted pop 'the fence' deque::one_thief_owner_on_main \
    'fence(site::POP_FENCE);' ''
deleted steal 'the fence' deque::one_thief_owner_on_main \
    'fence(site::STEAL_FENCE);' ''

in_file src/protocol/event_count.rs
deleted notify 'the fence' event_count::one_worker_one_producer \
    'fence(site::NOTIFY_FENCE);' ''
deleted notify_of 'the fence' event_count::work_for_one_is_not_slept_on \
    'fence(site::NOTIFY_OF_FENCE);' ''
deleted announce 'the fence' event_count::one_worker_one_producer \
    'fence(site::ANNOUNCE_FENCE);' ''
deleted end_search 'the fence' event_count::the_last_searcher_wakes_a_successor \
    'fence(site::END_SEARCH_FENCE);' ''

section 'Looks before a sleep'

in_file src/pool/wait.rs
deleted search 'the second look for work' pool::a_task_runs_and_its_pool_ends \
    '&& !calls ' ''
deleted search 'the last searcher'"'"'s look' \
    pool::a_searcher_that_finds_one_of_two_tasks_wakes_another_for_the_other \
    'sleep.end_search(self.index(), || core.has_work());' 'sleep.end_search(self.index(), || false);'

deleted search 'the look at what a reserved worker may be lent to' \
    reserve::a_reserved_worker_is_lent_to_a_task_that_nobody_else_can_run \
    ' && loan != Loan::Due' ''

in_file src/pool/core.rs
deleted has_work 'the look at the inbox' pool::a_task_runs_and_its_pool_ends \
    'self.inbox.has_work(Priority::Low) || ' ''
deleted has_work 'the look at the deques' fork_stack::a_fork_publishes_its_job_before_it_goes_on \
    'self.inbox.has_work(Priority::Low) || self.has_jobs()' 'self.inbox.has_work(Priority::Low)'
deleted has_work_for 'the look at what is bound to the worker' policies::a_bound_task_wakes_its_worker_whoever_searches \
    'has_open || self.has_bound_work(worker)' 'has_open'

deleted has_work_for 'the look of a reserved worker at what is urgent' reserve::an_urgent_task_wakes_the_reserved_worker \
    'self.inbox.has_work(URGENT) || ' ''

in_file src/protocol/lanes.rs
deleted open 'the bit of a lane' policies::the_first_task_of_a_priority_is_found \
    'self.open.fetch_or(1 << lane, RELAXED);' ''

in_file src/protocol/sharded.rs
deleted has_work 'the look at every shard but the first' pool::a_child_is_found_in_any_shard \
    'self.shards.iter().any(RunQueue::has_work)' 'self.shards[0].has_work()'

in_file src/protocol/run_queue.rs
deleted has_work 'the look at every ring but the first' run_queue::a_queue_that_grows_vertically_loses_nothing \
    'self.rings().any(Shard::has_work)' 'self.first.has_work()'

in_file src/protocol/event_count.rs
deleted end_search 'the last searcher'"'"'s look' event_count::the_last_searcher_wakes_a_successor \
    'if more_work() && !self.wake_one(|| worker + 1) {' 'if false {'
deleted limit 'the raising when a limit is lifted' roster::roster_no_job_waits_for_a_worker_without_a_place \
    'if self.roster.limit(cap) {' 'if self.roster.limit(cap) && false {'
deleted grow 'the raising beyond a newcomer that is awake' roster::roster_no_job_waits_for_a_worker_without_a_place \
    'self.call(newcomer);' 'return self.call(newcomer);'
deleted lend 'the call of whom a place is lent' roster::roster_no_job_waits_for_a_worker_without_a_place \
    'self.call(self.roster.lend());' 'let _ = self.roster.lend();'

in_file verification/worker_loop.rs
deleted search 'the second look for work' event_count::one_worker_one_producer \
    '|| host.has_work() ' ''
deleted search 'the answer of `register_helper`' countdown::a_count_with_a_helper_can_be_used_again \
    '!registered || ' ''
deleted search 'the last searcher'"'"'s look' event_count::the_last_searcher_wakes_a_successor \
    'sleep.end_search(worker, || host.has_work());' 'sleep.end_search(worker, || false);'

in_file src/protocol/parker.rs
deleted park 'the comparison with which it parks' parker::permits_before_during_and_after \
    'self.state.compare_exchange(EMPTY, PARKED, RELAXED).is_ok()' '{ self.state.store(PARKED, RELAXED); true }'
deleted park 'the look for the permit after a sleep' parker::permits_before_during_and_after \
    'while self.state.swap(EMPTY, site::PARK_TAKE) != NOTIFIED {' 'if self.state.swap(EMPTY, site::PARK_TAKE) != NOTIFIED {'

in_file src/protocol/completion.rs
deleted wait 'the look for the outcome' completion::a_waiter_wakes_and_sees_the_outcome \
    'if state & DONE != 0 {' 'if false {'
deleted wait 'what the word must still hold' completion::a_waiter_wakes_and_sees_the_outcome \
    'futex_wait(&self.state, state | BLOCKED, deadline_ns)' 'futex_wait(&self.state, self.state.load(RELAXED), deadline_ns)'
deleted register_helper 'the look for the outcome' completion::a_helper_wakes_and_sees_the_outcome \
    '& DONE == 0' '& 0 == 0'
deleted register_callback 'the look for the outcome' completion::a_callback_is_called_once \
    'match self.state.fetch_or(CALLBACK, site::REGISTER) & DONE {' 'match self.state.fetch_or(CALLBACK, site::REGISTER) & 0 {'

in_file src/protocol/countdown.rs
deleted wait 'the look for zero' countdown::the_waiter_and_the_last_finisher_see_all_work \
    '            if word & COUNT == 0 {' '            if false {'
deleted wait 'what the word must still hold' countdown::the_waiter_and_the_last_finisher_see_all_work \
    'futex_wait(&self.word, word | BLOCKED, deadline_ns)' 'futex_wait(&self.word, self.word.load(RELAXED), deadline_ns)'
deleted register_helper 'the look for zero' countdown::a_helper_wakes_and_sees_the_work \
    '& COUNT != 0' '& 0 == 0'

in_file src/protocol/handover.rs
deleted wait 'the look for the result' handover::a_requester_wakes_and_takes_the_result \
    'if state == DELIVERED {' 'if false {'
deleted wait 'what the word must still hold' handover::a_requester_wakes_and_takes_the_result \
    'futex_wait(&self.state, ASLEEP, deadline_ns)' 'futex_wait(&self.state, self.state.load(RELAXED), deadline_ns)'

in_file src/protocol/task_state.rs
deleted wait_until_sole 'the look for other references' task_state::storage_is_used_again_after_everybody_has_let_go \
    'if word / REFERENCE == 1 {' 'if false {'
deleted wait_until_sole 'what the word must still hold' task_state::storage_is_used_again_after_everybody_has_let_go \
    'futex_wait(&self.word, word | AWAITED, None)' 'futex_wait(&self.word, self.word.load(RELAXED), None)'

in_file src/sync_checked.rs
deleted futex_wait 'the simulated kernel'"'"'s comparison' parker::permits_before_during_and_after \
    'if word.0.load(Ordering::Relaxed) != expected {' 'if false {'

section 'Wake-ups'

in_file src/protocol/parker.rs
deleted unpark 'the wake-up' parker::permits_before_during_and_after \
    'futex_wake(&self.state, 1);' ''

in_file src/protocol/event_count.rs
deleted claim 'the permit of the claimed worker' event_count::one_worker_one_producer \
    'claimed.parker.unpark();' ''
deleted notify_waiters 'the permit of the worker that waits' completion::a_helper_wakes_and_sees_the_outcome \
    'if seat.waiting_on.load(RELAXED) == address {' 'if false {'

in_file src/protocol/completion.rs
deleted wake_blocked 'the wake-up' completion::a_waiter_wakes_and_sees_the_outcome \
    'futex_wake(self.word, u32::MAX);' ''

in_file src/protocol/handover.rs
deleted deliver 'the wake-up' handover::a_requester_wakes_and_takes_the_result \
    'futex_wake(word, 1);' ''

in_file src/protocol/countdown.rs
deleted wake_blocked 'the wake-up' countdown::the_waiter_and_the_last_finisher_see_all_work \
    'futex_wake(self.word, u32::MAX);' ''

in_file src/protocol/task_state.rs
deleted wake_owner 'the wake-up' task_state::storage_is_used_again_after_everybody_has_let_go \
    'futex_wake(self.word, u32::MAX);' ''

in_file src/pool/core.rs
deleted announce 'the wake-up of who alone may take a task' policies::a_task_that_nobody_may_steal_wakes_its_worker \
    'self.sleep.notify_of(iter::once(shard), 1);' ''
deleted announce 'the wake-up of who may run bound work, although others search' \
    policies::a_bound_task_wakes_its_worker_whoever_searches \
    'return self.sleep.notify_of(self.seats.members(to.reach), pieces);' 'return self.sleep.notify(pieces, near);'
deleted announce 'the wake-up of who may take a task that is not urgent' reserve::a_usual_task_wakes_who_may_run_it \
    'self.sleep.notify_of(self.balance.reserved..self.workers(), pieces);' ''
deleted close 'the permits for the end' pool::a_task_runs_and_its_pool_ends \
    'self.sleep.wake_all();' ''

in_file src/pool/core/submit.rs
deleted enqueue 'the notification of a sleeper' pool::a_task_runs_and_its_pool_ends \
    'self.announce(to, home, || self.near(worker, home), 1);' '' 2
deleted receive 'the notification of a sleeper' micropools::a_task_goes_on_elsewhere_before_the_set_ends \
    'self.announce(Destination::USUAL, home, || self.near(worker, home), 1);' ''
deleted enqueue_batch 'the notification of sleepers' pool::a_group_is_done_when_its_tasks_are \
    'self.announce(to, home, || self.near(worker, home), pushed);' ''
deleted submit 'the wake-up of who closes, when the visit ends' pool::what_is_accepted_runs_before_the_end \
    'self.shutdown.leave().wake_blocked();' 'let _ = self.shutdown.leave();' 2
deleted finish_run 'the wake-up of who waits for a graph' graph::graph_each_vertex_of_a_diamond_runs_once_after_those_before_it \
    'finished.wake_blocked();' ''
deleted finish_run 'the wake-up of workers that wait for a graph' graph::graph_a_worker_that_sleeps_over_its_graph_wakes \
    'if let Some(address) = finished.helpers() {' 'if let Some(address) = None::<usize> {'
deleted finish_run 'the wake-up of who closes' graph::graph_a_pool_ends_after_the_graphs_it_runs \
    'self.shutdown.finish(1).wake_blocked();' 'let _ = self.shutdown.finish(1);' 3
deleted submit 'the call of who made the pool' maker::a_maker_that_sleeps_until_it_is_called_runs_every_task \
    'self.call_maker();' '' 2

in_file src/pool/lend.rs
deleted drop 'the wake-up of who ends the pool, when the last stay does' lend::a_lent_thread_is_given_back_at_the_end \
    'self.0.leave().wake_blocked();' 'let _ = self.0.leave();'

in_file src/pool/maker.rs
deleted stay 'the release of the call before the look' maker::a_maker_that_sleeps_until_it_is_called_runs_every_task \
    'maker.called.release();' ''
deleted stay 'the call for what is left' maker::a_maker_whose_budget_is_spent_is_called_for_the_rest \
    'self.0.call_maker();' ''

in_file src/parallel/graph/runner.rs
deleted run 'the shelving of what is ready while its first vertex runs' graph::graph_no_ready_vertex_waits_behind_one_that_runs \
    'self.put(list);' 'self.unshelved.append(list);'

in_file src/parallel/crew.rs
deleted finish 'the wait for calls in progress' crew::a_loop_with_its_caller_ends_when_all_calls_have \
    'task.get()' 'Ok(())'
deleted finish 'the taking back of what nobody has begun' crew::a_loop_with_its_caller_waits_for_nobody_who_is_busy_elsewhere \
    'let Some(task) = self.0.take().filter(|task| !task.cancel()) else { return Ok(()) };' 'let Some(task) = self.0.take() else { return Ok(()) };'
deleted drop 'the wait for calls in progress, after a panic' crew::a_caller_that_panics_leaves_no_call_running \
    '_ = task.wait();' 'drop(task);'

in_file src/pool/shelf.rs
deleted put 'the notification of a sleeper' graph::graph_no_ready_vertex_waits_behind_one_that_runs \
    'worker.core().announce_jobs(worker.reach(), || worker.index() + 1);' ''

in_file src/pool/shed.rs
deleted shed 'the notification of a sleeper' shedding::a_task_that_is_shed_wakes_who_runs_it \
    'core.announce(Destination::USUAL, self.index(), || self.index() + 1, moved);' ''

in_file src/pool/detached.rs
deleted pay_some 'the wake-up of who closes' pool::a_group_is_done_when_its_tasks_are \
    'core.shutdown().finish(finished).wake_blocked();' 'let _ = core.shutdown().finish(finished);'

in_file src/pool/task.rs
deleted complete 'the wake-up of blocked waiters' pool::a_task_runs_and_its_pool_ends \
    'wakeups.wake_blocked();' ''
deleted complete 'the wake-up of workers that wait for the task' pool::a_task_that_waits_for_a_task_wakes \
    'if let Some(address) = wakeups.helpers() {' 'if let Some(address) = None::<usize> {'
deleted complete 'the wake-up of who closes' pool::a_task_runs_and_its_pool_ends \
    'core.shutdown().finish(1).wake_blocked();' 'let _ = core.shutdown().finish(1);'
deleted drop 'the wake-up of the storage'"'"'s owner' pool::a_frame_is_left_alone_when_run_returns \
    'released.wake_owner();' ''

in_file src/pool/group.rs
deleted finish 'the wake-up of who waits for the group' pool::a_group_is_done_when_its_tasks_are \
    'finished.wake_blocked();' ''
deleted finish 'the wake-up of workers that wait for the group' pool::a_task_that_waits_for_a_group_wakes \
    'if let Some(address) = finished.helpers() {' 'if let Some(address) = None::<usize> {'

in_file src/pool/fork_join.rs
deleted finish 'the wake-up of the worker that forked' fork_stack::both_halves_of_a_fork_are_done_and_seen \
    'if let Some(address) = wakeups.helpers() {' 'if let Some(address) = None::<usize> {'
deleted promote_one 'the notification of a sleeper' fork_stack::a_fork_publishes_its_job_before_it_goes_on \
    'self.core().announce_jobs(self.reach(), || self.index() + 1);' ''

section 'Policies'

in_file src/pool/inbox.rs
deleted take 'the fair turn' policies::a_low_task_is_not_passed_over_for_ever \
    'if turn % FAIR_TURN == FAIR_TURN - 1' 'if turn == u32::MAX'

in_file src/pool/worker.rs
deleted take_task 'the fair turn of short queues on other nodes' policies::a_short_queue_on_another_node_is_not_passed_over_for_ever \
    'Turn::Fair => self.task_victims(Far::All),' 'Turn::Fair => self.task_victims(far),'

in_file src/pool/wait.rs
deleted search 'the step to short queues on other nodes' policies::a_lonely_job_on_another_node_is_come_to \
    'far = Far::All;' ''
deleted reaching 'the deque of those who may run the jobs of bound work' policies::the_jobs_of_a_bound_task_are_bound \
    'self.turn_to(reach);' ''

in_file src/pool/task.rs
deleted lift 'the reference of the second entry' policies::a_lifted_task_runs_once_and_is_freed_once \
    'if header.state.lane() < priority as u32 && header.state.lift(priority as u32) {' 'if header.state.lane() < priority as u32 {'

section 'Private jobs'

in_file src/pool/fork_join.rs
deleted join 'the publication of the only job' fork_stack::a_fork_publishes_its_job_before_it_goes_on \
    'self.promote();' ''
deleted take_back 'the question whether the job is done' fork_stack::a_frame_takes_no_job_but_its_own \
    'if done.is_done() {' 'if false {'
deleted take_back 'the wait for the thief' fork_stack::both_halves_of_a_fork_are_done_and_seen \
    'self.wait_for_thief(done);' ''

in_file src/pool/fold.rs
deleted walk 'the question whether the rest of the loop is private still' fold::a_fork_in_a_loop_publishes_its_rest \
    'if worker.forks().is_newest_public() {' 'if false {'

in_file src/pool/wait.rs
deleted wait_until 'the publication of all jobs before a wait' fork_stack::a_wait_publishes_all_private_jobs \
    'self.promote_all();' '' 2
deleted wait_until 'the help of the last who waits' pool::when_all_workers_wait_one_helps \
    'if last_helper.enter(is_open, self.is_own()) {' 'if last_helper.enter(is_open, self.is_own()) && false {'
deleted follow 'the theft from the thief' fork_stack::a_wait_steals_from_the_thief \
    'target.performer().and_then(|performer| self.steal_from(performer))' 'None'

section 'The end'

in_file src/pool/core.rs
deleted drop 'the freeing of what is left in the inbox' pool::a_task_is_run_or_cancelled \
    'while let Some(entry) = self.inbox.drain() {' 'while let Some(entry) = None::<NonNull<Entry>> {'
}

each=note_test
rows
build 'the sources do not compile as they are'
run "${tests[@]}" && grep -q "^test result: ok. ${#tests[@]} passed" log || { cat log >&2; fail 'not every test passes as it is'; }
table=
each=mutate
rows

[ "$survivors" = 0 ] || fail "$survivors deletions survive"
[ -n "$only" ] || {
    # What is written by hand ends where the first table begins.
    sed '/^## Fences$/,$d' "$page" >page
    printf '%s' "${table#?}" >>page
    cp page "$page"
}
