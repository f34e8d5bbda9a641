"""What users were promised of home, past, Kafka and the edges, by the numbers of our list, and the tests that hold it.

`tests/docs/compliance.py` makes the last section of docs/compliance.md of it. Names are checked, so none is of a test
that is gone.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.project.tree import ROOT


@dataclass(frozen=True)
class Promise:
    what: str
    held_by: tuple[str, ...]
    """As pytest names them, `tests/….py::test_…`; or a file below bench/ that measures it."""


PROMISES = {
    5: Promise(
        "An intent is followed by its id, from a client, the command line or any producer, through both logs into page "
        "and event",
        ("tests/kafka/test_promised.py::test_an_intent_is_followed_by_its_id_through_both_logs_into_page_and_event",),
    ),
    7: Promise(
        "An intent is stored before it is run: logged without any worker, and applied once when there is one",
        (
            "tests/kafka/test_promised.py::test_what_is_logged_is_stored_and_not_run_until_there_is_a_worker",
            "tests/engine/test_bus.py::test_logged_comes_before_settled_and_leaving_waits_for_both",
        ),
    ),
    13: Promise(
        "Folder and topic hold the same batches, which Kafka's own tool reads; they are looked up by offset, page, "
        "intent and time",
        (
            "tests/kafka/test_promised.py::test_kafkas_tool_reads_the_brokers_tlog_and_the_mirror_alike",
            "tests/kafka/test_copying_real.py::test_there_and_back_again",
            "tests/kafka/test_dump.py::test_kafka_reads_a_log_of_several_segments_as_we_do",
        ),
    ),
    15: Promise(
        "State as of any offset, from the API and the command line, is what a replay has that stops there",
        (
            "tests/past/test_moments.py::test_any_moment_is_what_a_replay_has_that_stops_there",
            "tests/past/test_moments.py::test_the_past_is_the_same_with_bases_anywhere",
            "tests/cli/test_replay.py::test_a_replay_stops_behind_an_offset",
        ),
    ),
    16: Promise(
        "Two states are compared down to page, field, both values, and the intent",
        (
            "tests/cli/test_diff.py::test_one_more_intent_in_one_of_two_copies_is_all_that_differs",
            "tests/cli/test_diff.py::test_two_moments_of_one_folder",
            "tests/cli/test_diff.py::test_a_process_that_has_something_else_in_memory_is_found_out",
        ),
    ),
    17: Promise(
        "The recorded intents are lowered anew: the same code does the same; what is left out never was; nothing of it "
        "becomes state",
        (
            "tests/cli/test_rehearse.py::test_the_same_code_gives_the_recorded_list_line_by_line",
            "tests/cli/test_rehearse.py::test_without_an_actor_only_what_he_could_influence_differs",
            "tests/cli/test_rehearse.py::test_nothing_is_written_into_a_data_folder",
        ),
    ),
    18: Promise(
        "Blame names the one intent that gave a field its value",
        (
            "tests/past/test_past.py::test_the_past_is_what_happened",
            "tests/past/test_moments.py::test_any_moment_is_what_a_replay_has_that_stops_there",
            "tests/cli/test_folder.py::test_blame_names_the_intent_that_gave_a_field_its_value",
        ),
    ),
    23: Promise(
        "One writer owns the arena of a partition, without a lock: whatever comes, goes and is deleted, pages are "
        "those of the log",
        (
            "tests/home/test_home.py::test_pages_are_what_they_were_wherever_they_have_been",
            "tests/engine/test_beyond_memory.py::test_what_was_created_and_deleted_leaves_nothing_behind",
        ),
    ),
    24: Promise(
        "A tenth of the memory gives the same digest; cold pages leave and come back; what was deleted leaves nothing",
        (
            "tests/engine/test_beyond_memory.py::test_a_tenth_of_the_memory_gives_the_same_digest",
            "tests/engine/test_beyond_memory.py::test_a_scan_gives_each_page_once_wherever_it_is",
            "tests/engine/test_beyond_memory.py::test_what_was_created_and_deleted_leaves_nothing_behind",
        ),
    ),
    27: Promise(
        "One partition is one serial history through kills; an intent over two partitions is rejected by name",
        (
            "tests/crash/test_moments.py::test_what_was_told_survives_kills_and_nothing_applies_twice",
            "tests/simulation/test_simulation.py::test_what_is_told_holds_and_every_cell_of_the_crash_matrix_is_reached",
            "tests/engine/test_partitions.py::test_an_intent_over_two_partitions_is_rejected_by_name",
            "tests/kafka/test_whole_kills.py::test_what_was_told_survives_kills_of_workers",
            "tests/kafka/test_what_leaves.py::test_money_arrives_once_and_events_tell_of_it_once",
        ),
    ),
    39: Promise(
        "Whoever follows events sees all in order, each once: also who was killed and goes on, and whoever else stalls",
        (
            "tests/kafka/test_consumers.py"
            "::test_one_that_was_killed_and_resumed_sees_what_the_other_sees_and_both_have_the_pages",
            "tests/events/test_subscribing.py::test_one_killed_and_resumed_sees_what_the_other_sees",
            "tests/events/test_subscribing.py::test_a_stalled_reader_costs_bounded_memory_and_slows_nobody",
        ),
    ),
    40: Promise(
        "Events are read by a few lines written from the tables alone, packed or as JSON; pages are rebuilt of them",
        (
            "tests/kafka/test_consumers.py"
            "::test_one_that_was_killed_and_resumed_sees_what_the_other_sees_and_both_have_the_pages",
            "tests/kafka/test_output_topics.py::test_a_plain_consumer_sees_all_events_and_rejects_once",
            "tests/events/test_outputs.py::test_as_json_they_say_the_same",
        ),
    ),
    41: Promise(
        "A checkpoint says what it holds, and a partition that was begun with it goes on with the same digest and ids, "
        "and says where its past begins",
        (
            "tests/checkpoints/test_checkpoints.py::test_a_checkpoint_says_what_it_holds_and_is_sound",
            "tests/checkpoints/test_engine.py::test_a_command_makes_one_of_all_that_has_settled",
            "tests/checkpoints/test_archive.py::test_a_partition_that_was_moved_has_the_same_rows_and_goes_on_where_it_was",
        ),
    ),
    42: Promise(
        "A checkpoint is trusted only after all of it was read; one flipped byte is named, and the one before it used",
        (
            "tests/faults/test_damage.py::test_a_damaged_file_is_named_and_no_answer_is_wrong",
            "tests/checkpoints/test_checkpoints.py::test_the_newest_bad_one_is_skipped_by_name_and_reason",
            "tests/checkpoints/test_engine.py::test_the_newest_checkpoint_that_is_bad_is_passed_over_by_name",
        ),
    ),
    43: Promise(
        "Checkpoints on command, on schedule and by intent, none of them ever half; one goes to another machine "
        "as one file",
        (
            "tests/checkpoints/test_engine.py::test_an_intent_asks_for_one_if_it_applies",
            "tests/checkpoints/test_engine.py::test_a_schedule_makes_them_and_logs_are_trimmed_behind_the_older_of_the_two_newest",
            "tests/checkpoints/test_checkpoints.py::test_a_kill_anywhere_leaves_whole_checkpoints_and_left_overs",
            "tests/checkpoints/test_archive.py::test_every_flip_and_every_cut_is_refused_with_its_place_and_leaves_no_partition",
            "tests/checkpoints/test_archive.py::test_a_kill_anywhere_while_importing_leaves_no_partition_and_the_next_import_goes_well",
        ),
    ),
    44: Promise(
        "After a kill work goes on from what was flushed; a spare process or another worker takes over, also from one "
        "that is frozen",
        (
            "tests/crash/test_steps.py::test_killed_while_running",
            "tests/crash/test_moments.py::test_what_was_told_survives_kills_and_nothing_applies_twice",
            "tests/cli/test_spare.py::test_when_the_owner_ends_the_spare_serves_what_it_left",
            "tests/kafka/test_whole_kills.py::test_what_was_told_survives_kills_of_workers",
            "tests/kafka/test_whole_freezes.py::test_a_zombie_tells_what_was_accepted_before_the_newer_claim_and_ends",
        ),
    ),
    45: Promise(
        "A checkpoint shares its files with the store, and neither disturbs the other",
        (
            "tests/checkpoints/test_checkpoints.py::test_a_store_and_its_checkpoints_do_not_disturb_each_other",
            "tests/checkpoints/test_checkpoints.py::test_the_same_state_is_checkpointed_once",
            "bench/bench_store.py",
        ),
    ),
    46: Promise(
        "What goes wrong outside is met as the documents say: retried, rejected, stopped, or outcome unknown",
        (
            "tests/engine/test_failing.py::test_whatever_fails_is_told_and_leaves_nothing_open_and_the_next_start_completes_it",
            "tests/engine/test_bus.py::test_a_full_disk_leaves_the_outcome_unknown_and_stops",
            "tests/store/test_rocks.py::test_a_full_disk_is_named_and_costs_no_row_that_was_there",
            "tests/cli/test_help.py::test_each_error_has_an_exit_code",
        ),
    ),
    53: Promise(
        "A processor's state is a page: a step that is not allowed is rejected and names both states, history is the "
        "path, SIGTERM drains, and whoever starts again goes on with nothing lost",
        (
            "tests/rows/test_row_53_agents.py::test_a_state_takes_allowed_steps_only_and_goes_on_after_any_end",
            "tests/kafka/test_processing.py::test_kills_lose_and_repeat_nothing",
            "tests/kafka/test_faust_orders.py::test_totals_are_exact_whoever_is_killed",
        ),
    ),
    73: Promise(
        "Alive, ready and progressing are three answers; the process measures itself; two of them are compared",
        (
            "tests/watching/test_probes.py::test_a_process_answers_three_questions_through_its_life",
            "tests/cli/test_figures.py::test_two_are_compared_in_two_columns",
        ),
    ),
    74: Promise(
        "Prometheus reads what is counted, also what an application counts itself, and each panel finds its figures",
        (
            "tests/watching/test_metrics.py::test_settled_and_rejected_are_counted_by_type_status_and_reason",
            "tests/watching/test_metrics.py::test_what_an_application_counts_and_its_processors_do_is_there",
            "tests/watching/test_dashboard.py::test_each_panel_finds_figures_while_an_application_runs",
        ),
    ),
    84: Promise(
        "How fast flushes, checkpoints and replays are, beside what the disk can do",
        ("bench/bench_store.py", "bench/bench_fold.py", "bench/bench_past.py"),
    ),
    85: Promise(
        "How soon a receipt comes at a steady rate, from when each intent was to be sent; embedded and behind a broker",
        ("bench/engine_singles.py", "bench/bench_kafka.py"),
    ),
    86: Promise(
        "How long it takes from a kill to the first answer, with a spare and without",
        ("tests/cli/test_spare.py::test_when_the_owner_ends_the_spare_serves_what_it_left", "bench/takeover.py"),
    ),
    101: Promise(
        "Installed from a lock, it runs as a user of its own below a root that is read-only, is killed, comes back, "
        "and is sound",
        (
            "tests/deploy/test_installed.py::test_what_was_installed_runs_as_a_user_below_a_root_that_is_read_only",
            "tests/deploy/test_files.py::test_the_check_notices_what_is_wrong",
        ),
    ),
    102: Promise(
        "Files for containers, compose and Kubernetes agree with the code and each other; under a load a worker is "
        "killed and nothing is lost",
        (
            "tests/deploy/test_files.py::test_probes_ask_where_the_settings_have_them_answered",
            "tests/deploy/test_files.py::test_whatever_runs_is_not_root_and_may_write_its_data_alone",
            "tests/kafka/test_load.py::test_a_worker_is_killed_under_the_load_and_the_balances_add_up",
        ),
    ),
    109: Promise(
        "Kills again and again, also while recovering: nothing that was told is lost or doubled",
        (
            "tests/crash/test_moments.py::test_what_was_told_survives_kills_and_nothing_applies_twice",
            "tests/crash/test_steps.py::test_killed_while_recovering_from_a_kill",
            "tests/store/test_kills.py::test_a_kill_at_any_moment_leaves_all_of_an_ingest_or_nothing",
        ),
    ),
}


def missing() -> Iterator[str]:
    """What is named and not there."""
    for promise in PROMISES.values():
        for name in promise.held_by:
            path, _, test = name.partition("::")
            if not (ROOT / path).exists() or (test and test not in _tests(ROOT / path)):
                yield name


@cache
def _tests(path: Path) -> set[str]:
    tests = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, tests)}


def tests() -> list[str]:
    """Those to run, each once."""
    return sorted({name for promise in PROMISES.values() for name in promise.held_by if "::" in name})
