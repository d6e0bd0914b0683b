"""What the plan asks of DNS that DNS cannot hold, found before anything is written."""

from kcompile.load.locate import problems_of
from kcompile.lower.limits import check_names
from kcompile.lower.resolv import check_resolv
from kcompile.planned import Plan
from kcompile.problems import InputError, Problem, Severity


def check_lowering(plan: Plan) -> tuple[Problem, ...]:
    """Warnings. Raises InputError where a name does not fit."""
    problems = problems_of((*check_names(plan), *check_resolv(plan)))
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise InputError(problems)
    return problems
