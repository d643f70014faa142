"""Every verb that the service has."""

from __future__ import annotations

from typing import Any

from ftl2_enterprise.protocol.loops import verbs as loop_verbs
from ftl2_enterprise.protocol.service import verbs as service_verbs
from ftl2_enterprise.protocol.verb import Request, name_of

CATALOGUE: dict[str, type[Request[Any]]] = {name_of(verb): verb for verb in (*loop_verbs.VERBS, *service_verbs.VERBS)}
