"""Hundreds of rounds of the same: memory, threads, handles and shared memory stay as they are."""

from __future__ import annotations

from functools import partial
from statistics import median

from lifecycle_msgs.msg import Transition

from benchmarks.faults.aircraft import HANG_S, Aircraft
from benchmarks.faults.fault import RECOVERY, Fault, require
from benchmarks.faults.usage import usage

MOST_GROWTH_MB = 5.0
# each worker is a thread, and the C library keeps an arena of memory for each of the first threads
FLOWN_EVERY = 5
LIFECYCLE = {"deactivate": Transition.TRANSITION_DEACTIVATE, "clean up": Transition.TRANSITION_CLEANUP,
             "configure": Transition.TRANSITION_CONFIGURE, "activate": Transition.TRANSITION_ACTIVATE}


def lifecycle(rounds: int, aircraft: Aircraft) -> None:
    taken = []
    for number in range(rounds):
        for name, transition in LIFECYCLE.items():
            aircraft.process.change_state(transition, name, HANG_S)
            if transition == Transition.TRANSITION_CLEANUP:
                aircraft.disconnect()
        taken.append(usage(aircraft.process.pid))
        if number % FLOWN_EVERY == 0:
            aircraft.begin()
            aircraft.connect()
            aircraft.until_fix(RECOVERY, "an activation")
    _flat(aircraft, taken)
    aircraft.begin()
    aircraft.connect()


def reload_map(rounds: int, aircraft: Aircraft) -> None:
    taken = []
    for number in range(rounds):
        answer = aircraft.ask("reload_map")
        require(answer.success, f"reload_map failed in round {number}: {answer.message}")
        taken.append(usage(aircraft.process.pid))
        if number % FLOWN_EVERY == 0:
            aircraft.until_fix(RECOVERY, "a map loaded anew")
    _flat(aircraft, taken)


def _flat(aircraft: Aircraft, taken: list[dict[str, float]]) -> None:
    """Hold the last tenth of the rounds against the second one."""
    tenth = max(len(taken) // 10, 1)
    for name, most in (("memory_mb", MOST_GROWTH_MB), ("threads", 0), ("handles", 0), ("shm_files", 0), ("shm_mb", 0)):
        early, late = (median(sample[name] for sample in part) for part in (taken[tenth:2 * tenth], taken[-tenth:]))
        aircraft.figures[name] = [taken[0][name], early, late]
        require(late - early <= most, f"{name} went from {early:g} to {late:g} over {len(taken)} rounds")


def of(rounds: int) -> tuple[Fault, ...]:
    """Return the faults of so many rounds each."""
    lifecycles, reloads = partial(lifecycle, rounds), partial(reload_map, rounds)
    return (
        Fault("lifecycle_rounds", "deactivate, clean up, configure, activate, again and again", lifecycles, own=True),
        Fault("reload_rounds", "reload_map again and again", reloads, own=True),
        Fault("reload_rounds_promptmid", "the same with a network", reloads, own=True, descriptor="promptmid"),
    )
