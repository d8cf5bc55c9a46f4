"""Mutants of a file: which there are, and the code of each. The changes are those of cosmic-ray's operators."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# one or two replacements of each operator: those that a hand might slip to, none that only raises a TypeError
BINARY = {"Add": ("Sub",), "Sub": ("Add",), "Mul": ("Div",), "Div": ("Mul",), "FloorDiv": ("Mul",), "Mod": ("Mul",),
          "Pow": ("Mul",), "BitAnd": ("BitOr",), "BitOr": ("BitAnd",)}
COMPARISON = {"Lt": ("LtE", "GtE"), "LtE": ("Lt", "Gt"), "Gt": ("GtE", "LtE"), "GtE": ("Gt", "Lt"), "Eq": ("NotEq",),
              "NotEq": ("Eq",), "Is": ("IsNot",), "IsNot": ("Is",)}
UNARY = ("USub_UAdd", "Delete_Not", "Delete_Invert")
OPERATORS = (
    *(f"core/ReplaceBinaryOperator_{one}_{other}" for one, others in BINARY.items() for other in others),
    *(f"core/ReplaceComparisonOperator_{one}_{other}" for one, others in COMPARISON.items() for other in others),
    *(f"core/ReplaceUnaryOperator_{change}" for change in UNARY),
    "core/AddNot", "core/ReplaceTrueWithFalse", "core/ReplaceFalseWithTrue", "core/ReplaceAndWithOr", "core/ReplaceOrWithAnd",
    "core/ReplaceBreakWithContinue", "core/ReplaceContinueWithBreak", "core/ExceptionReplacer", "core/NumberReplacer",
    "core/ZeroIterationForLoop",
)

Position = tuple[int, int]  # row from 1, column from 0


@dataclass(frozen=True)
class Mutant:
    """The `occurrence`th place of an operator in a file, at `line`."""

    file: str
    line: int
    operator: str
    occurrence: int

    def place(self, seed: int) -> str:
        """What orders mutants at random, the same for every run: a larger sample holds each smaller one."""
        return hashlib.sha256(f"{seed} {self.file} {self.operator} {self.occurrence}".encode()).hexdigest()

    def of(self, code: str) -> str:
        """The code of the mutant, from that of its file."""
        from cosmic_ray.mutating import mutate_code
        from cosmic_ray.plugins import get_operator

        return str(mutate_code(code, get_operator(f"core/{self.operator}")(), self.occurrence))


def mutants(root: Path, file: str) -> Iterator[Mutant]:
    """Yield the mutants of a file."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator

    code = (root / file).read_text()
    left_out, tree = _left_out(code), get_ast(code)
    for name in OPERATORS:
        operator = get_operator(name)()
        places = (place for node in ast_nodes(tree) for place in operator.mutation_positions(node))
        for occurrence, (start, end) in enumerate(places):
            if any(first <= start and end <= last for first, last in left_out):
                continue
            yield Mutant(file, start[0], name.removeprefix("core/"), occurrence)


def difference(before: str, after: str) -> tuple[str, str]:
    """The first line that differs, as it was and as it became."""
    return next((one.strip(), other.strip()) for one, other in zip(before.splitlines(), after.splitlines(), strict=False)
                if one != other)


def _left_out(code: str) -> list[tuple[Position, Position]]:
    """Where a change means nothing while the code is right: annotations, decorators, the `strict` of zip."""
    nodes: list[ast.expr] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef):
            nodes += [*node.decorator_list, *([node.returns] if node.returns else [])]
        elif isinstance(node, ast.ClassDef):
            nodes += node.decorator_list
        elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            nodes.append(node.annotation)
        elif isinstance(node, ast.Call):
            nodes += [each.value for each in node.keywords if each.arg == "strict"]
    return [((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)) for node in nodes]

