"""`promptmid scenario ...`: scenes as files, run and held against their criteria."""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from promptmid_core.cli.output import say, tell_json
from promptmid_core.cli.parsing import NOT_PASSED, STDOUT, command, group, json_output, output
from promptmid_core.errors import InputError


def add(commands: Any) -> None:
    """Declare the commands of this family."""
    of_scenario = group(commands, "scenario", "scenes as files: a world, its map, a flight, and what it has to come to")
    run = command(of_scenario, "run", _run, "run scenarios and hold them against their criteria",
                  "promptmid scenario run config/scenarios/chequer-24px.yaml --json out.json --report out.html")
    run.add_argument("files", type=Path, nargs="+", metavar="FILE.yaml", help="scenarios, as docs/scenarios.md has them")
    json_output(run, "results and criteria, one a scenario")
    output(run, "--report", metavar="FILE.html", help="a page of all scenarios")
    run.add_argument("--work", type=Path, metavar="DIR", help="keeps worlds, maps and flights, so that they are made once; "
                     "default: a temporary folder")
    run.add_argument("--params", type=Path, metavar="FILE", help="parameters of the node, a file such as config/localizer.yaml; "
                     "what a scenario says counts more")
    run.add_argument("--descriptor", metavar="NAME", help="in place of the one that a scenario names")


def _run(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from promptmid_core.descriptors.name import DescriptorName
    from promptmid_core.localization.settings import read_parameter_file
    from promptmid_core.scenario.report import write_report
    from promptmid_core.scenario.results import as_json, table
    from promptmid_core.scenario.run import play
    from promptmid_core.scenario.scenario import Scenario
    from promptmid_core.scenario.stage import Stage
    from promptmid_core.scenario.store import Store

    scenarios = [Scenario.read(path) for path in args.files]
    _check_names(scenarios)
    parameters = read_parameter_file(args.params) if args.params else {}
    if args.descriptor:
        DescriptorName.parse(args.descriptor)
        scenarios = [replace(each, map=replace(each.map, descriptor=args.descriptor)) for each in scenarios]
    results = []
    with ExitStack() as stack:
        work = args.work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="promptmid_scenarios_")))
        stage = Stage(Store(work), say)
        for scenario in scenarios:
            results.append(play(scenario, stage, parameters, with_plots=args.report is not None))
            # after each, so that a run that is stopped has told what it came to
            if args.json != STDOUT:
                tell_json(args, [as_json(played) for played in results])
            if results[-1].skipped:
                say(f"{scenario.name} is skipped: {results[-1].skipped}")
    if args.json == STDOUT:
        tell_json(args, [as_json(played) for played in results])
    print(table(results))
    if args.report:
        write_report(args.report, results, args.command)
        print(f"report: {args.report}")
    broken = next((played for played in results if played.error), None)
    if broken:
        raise InputError(f"{broken.scenario.path} could not be run: {broken.error}")
    return 0 if all(played.passed for played in results) else NOT_PASSED


def _check_names(scenarios: list[Any]) -> None:
    """Raise InputError where two scenarios have one name, so that no result could be told from the other."""
    seen: dict[str, Path] = {}
    for scenario in scenarios:
        if scenario.name in seen:
            raise InputError(f"{scenario.path} and {seen[scenario.name]} have one name; rename one, or give one of them")
        seen[scenario.name] = scenario.path
