"""Observations as lines."""

from __future__ import annotations

from ftl2_enterprise.core.shorten import shorten_middle
from ftl2_enterprise.render.loops.observations import observation_line
from tests.support.data.builders import observation


def shown(result: str) -> str:
    return observation_line(observation("svc", result), indent=0).plain


def test_what_check_mode_reports_is_no_change():
    result = '{"msg":"service state changed","changed":true,"fence":"check_mode"}'
    assert shown(result) == "svc on web1: would change in check mode (service state changed)"
    same = '{"msg":"in place","changed":false,"fence":"check_mode"}'
    assert shown(same) == "svc on web1: would not change in check mode (in place)"


def test_the_output_of_a_command_is_shown_as_it_is():
    assert shown('{"stdout":"active","changed":true,"fence":"sandbox"}') == "svc on web1: active"


def test_a_shortened_result_keeps_its_fence():
    whole = '{"stdout":"' + "x" * 9000 + '","changed":false,"fence":"sandbox"}'
    assert observation("svc", shorten_middle(whole, 4096)).fence == "sandbox"


def test_an_output_that_names_a_fence_is_none():
    assert observation("svc", '{"stdout":",\\"fence\\":\\"sandbox\\"}"}').fence is None
    assert observation("svc", '{"paths":{"fence":"sandbox"}}').fence is None
