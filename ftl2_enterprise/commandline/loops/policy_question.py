"""The arguments and options of `policy check`, and the tests of `policy test`, for both programs."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ftl2_enterprise.commandline.declaration import TEXT, Argument, Option, ValueKind, not_empty
from ftl2_enterprise.core.problem import Code, Problem, invalid, not_found
from ftl2_enterprise.core.wire import Strict
from ftl2_enterprise.gate.modules import is_known, similar
from ftl2_enterprise.protocol.loops.policy import REFUSED, CallKind, CallOrigin, PolicyQuestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.protocol.loops.policy import PolicyAnswer

NO_RULE = "no rule matches"
STATUSES = {"allow": 0, "preview": 0, "deny": 4, "ask": 8, "hold": 8, REFUSED: 9}
"""Exit status of a check by ruling; of several hosts, `deny` counts first, and else the highest one."""

MODULE = Argument(
    "module", ValueKind(name="module", check=not_empty), "Name of the module, in any spelling.", optional=True
)
HOST = Option("host", "Host or group that is called.", TEXT, value="HOST", default="localhost")
PARAM = Option(
    "param",
    "A parameter of the module. The value is JSON after :=, as in uid:=0, or if it begins with [ or {.",
    TEXT,
    short="p",
    value="KEY=VALUE",
    many=True,
)
KIND = Option("kind", "What the call is for.", TEXT, choices=("action", "observation"), default="action")
ORIGIN = Option("origin", "Who asks for the call.", TEXT, choices=tuple(map(str, CallOrigin)), default="model")
MODEL = Option("model", "Check a request to this model instead of a call of a module.", TEXT, value="NAME")
PROVIDER = Option(
    "provider", "Check a request to this provider; without --model, to its default model.", TEXT, value="NAME",
    default="claude",
)  # fmt: skip
PURPOSE = Option(
    "purpose", "Purpose of the request to a model.", TEXT, choices=("decide", "repair"), default="decide"
)
ABOUT_MODELS = (MODEL, PROVIDER, PURPOSE)
ABOUT_CALLS = (HOST, PARAM, KIND, ORIGIN)


def question(given: GivenValues) -> PolicyQuestion:
    """The question of a command line. Raises Problem(invalid)."""
    about_model = next((option for option in ABOUT_MODELS if given.has(option.name)), None)
    if about_model is not None:
        return _about_model(given, about_model)
    if not given.has(MODULE.name):
        raise invalid("cannot check a policy without a module or a model", "name a module, or use --model NAME")
    return PolicyQuestion(
        module=given.text("module"),
        host=given.maybe("host") or "localhost",
        params=parameters(given.many("param")),
        kind=CallKind(given.maybe("kind") or CallKind.ACTION),
        origin=CallOrigin(given.maybe("origin") or CallOrigin.MODEL),
        environment=given.maybe("environment"),
    )


def _about_model(given: GivenValues, option: Option) -> PolicyQuestion:
    """The question about a request to a model. Raises Problem(invalid) for what only calls of modules have."""
    if given.has(MODULE.name):
        raise invalid(
            f"cannot use {option.long} with a module: a request to a model is no call", "ask about one of them"
        )
    for other in ABOUT_CALLS:
        if given.has(other.name):
            raise invalid(f"cannot use {other.long} with {option.long}", "a request to a model has no host")
    return PolicyQuestion(
        module=given.maybe(PROVIDER.name) or PROVIDER.default,
        params={"model": given.maybe(MODEL.name) or "", "purpose": given.maybe(PURPOSE.name) or PURPOSE.default},
        kind=CallKind.MODEL_CALL,
        environment=given.maybe("environment"),
    )


def parameters(words: Sequence[str]) -> dict[str, Any]:
    """The parameters of a call, from KEY=TEXT or KEY:=JSON. Raises Problem(invalid)."""
    found: dict[str, Any] = {}
    for word in words:
        name, separator, value = word.partition("=")
        key = name.removesuffix(":")
        if not separator or not key:
            raise invalid(f"cannot take {word!r} for --param", "write KEY=VALUE, as in dest=/etc/motd, or uid:=0")
        if key in found:
            raise invalid(f"cannot take the parameter {key} twice", 'give a list as JSON: name=\'["a", "b"]\'')
        is_json = key != name or value.startswith(("[", "{"))
        found[key] = _decoded(key, value) if is_json else value
    return found


def _decoded(key: str, value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise invalid(
            f"cannot take the value of {key}: it is not JSON: {error}", f"write {key}=TEXT, or quote it for the shell"
        ) from None


def exit_status(answers: Sequence[PolicyAnswer]) -> int:
    """4 if any call is denied, 9 if any is refused, 8 if any has to be approved or is held, else 0."""
    statuses = {STATUSES[answer.ruling] for answer in answers}
    return 4 if 4 in statuses else max(statuses, default=0)


# --- a site's own tests of its policy ------------------------------------------------------------------------------


class PolicyCase(Strict, frozen=True):
    """One expectation of a site about its policy."""

    module: str
    expect: str
    name: str | None = None
    host: str = "localhost"
    params: dict[str, Any] = {}
    kind: CallKind = CallKind.ACTION
    origin: CallOrigin = CallOrigin.MODEL
    environment: str | None = None
    rule: int | None = None
    """The number of the rule that has to decide; None for any."""

    @property
    def title(self) -> str:
        """Its name, or what it asks."""
        on = "" if self.kind is CallKind.MODEL_CALL else f" on {self.host}"
        return self.name or f"{self.kind} {self.module}{on}"

    @property
    def question(self) -> PolicyQuestion:
        """What it asks."""
        return PolicyQuestion(
            module=self.module, host=self.host, params=self.params, kind=self.kind, origin=self.origin,
            environment=self.environment,
        )  # fmt: skip


FIELDS = PolicyCase.__struct_fields__
HINT = f"a test has the keys {', '.join(FIELDS)}"


def cases(text: str, source: str) -> list[PolicyCase]:
    """The tests of a file. Raises Problem(invalid) with the number of the test."""
    import yaml  # noqa: PLC0415 - one command

    try:
        found: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark is not None else ""
        raise invalid(f"cannot read {source}{line}: it is not YAML", "write `tests:` and a list below it") from None
    tests = cast("Mapping[str, object]", found).get("tests") if isinstance(found, dict) else None
    if not isinstance(tests, list) or not tests:
        raise invalid(f"cannot use {source}: it has no tests", "write `tests:` and a list below it")
    return [_case(one, number, source) for number, one in enumerate(cast("list[object]", tests), 1)]


def _case(one: object, number: int, source: str) -> PolicyCase:
    what = f"cannot use test {number} of {source}"
    for key in map(str, cast("Mapping[object, object]", one) if isinstance(one, dict) else ()):
        if key not in FIELDS:
            near = get_close_matches(key, FIELDS, n=1)
            raise invalid(f"{what}: it has the unknown key {key!r}", f"did you mean {near[0]}?" if near else HINT)
    try:
        case = msgspec.convert(one, PolicyCase)
    except msgspec.ValidationError as error:
        raise invalid(f"{what}: {error}", HINT) from None
    if case.expect not in STATUSES:
        raise invalid(
            f"cannot use test {number} of {source}: {case.expect!r} is no ruling", f"use {', '.join(STATUSES)}"
        )
    if case.kind is not CallKind.MODEL_CALL and not is_known(case.module) and (meant := similar(case.module)):
        raise invalid(
            f"cannot use test {number} of {source}: there is no module {case.module!r}", f"did you mean {meant}?"
        )
    return case


def difference(case: PolicyCase, answers: Sequence[PolicyAnswer]) -> str | None:
    """How the answers differ from what the case expects; None if they do not."""
    for answer in answers:
        if answer.ruling != case.expect:
            on = f" on {answer.host}" if answer.host else ""
            return f"expected {case.expect}, and it is {answer.ruling}{on}: {answer.reason or NO_RULE}"
        if case.rule is not None and answer.rule != case.rule:
            by = "no rule" if answer.rule is None else f"rule {answer.rule}"
            return f"expected rule {case.rule} to decide, and it is {by}"
    return None


type CaseResults = list[tuple[str, str | None]]
"""The title of each test, and how the verdict differs from what it expects; None if it does not."""


def read(path: Path) -> str:
    """The text of a file of tests. Raises Problem."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise not_found(f"cannot find {path}", "name a YAML file with tests of the policy") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise invalid(f"cannot read {path}: {reason}", "name a YAML file with tests of the policy") from None


def answers_to(
    tests: Sequence[PolicyCase],
    ask: Callable[[Sequence[PolicyQuestion]], Sequence[Sequence[PolicyAnswer]]],
    source: str,
) -> Sequence[Sequence[PolicyAnswer]]:
    """The answers to all tests. Raises Problem, with the number of the test that cannot be answered."""
    try:
        return ask([test.question for test in tests])
    except Problem as problem:
        if problem.code not in {Code.INVALID, Code.NOT_FOUND}:
            raise
        for number, test in enumerate(tests, 1):
            try:
                ask([test.question])
            except Problem as own:
                raise Problem(
                    own.code, f"cannot use test {number} of {source}: {own.message}", hint=own.hint
                ) from own
        raise


def results(tests: Sequence[PolicyCase], answers: Sequence[Sequence[PolicyAnswer]]) -> CaseResults:
    """The result of each test."""
    return [(test.title, difference(test, found)) for test, found in zip(tests, answers, strict=True)]


def document(found: CaseResults) -> list[dict[str, str | None]]:
    """The results as JSON."""
    return [{"test": title, "difference": differs} for title, differs in found]


def failed(found: CaseResults) -> int:
    """The exit status: 1 if any test failed."""
    return int(any(differs is not None for _, differs in found))
