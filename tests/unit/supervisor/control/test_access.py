"""Who may do what over the control socket."""

from __future__ import annotations

import grp
import os
import pwd
import socket

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.core.settings.sections import AccessSettings
from ftl2_enterprise.protocol.catalogue import CATALOGUE
from ftl2_enterprise.protocol.verb import Access
from ftl2_enterprise.supervisor.control.access import Guard, Peer, peer_of

SERVICE = 990
SETTINGS = AccessSettings(view=("%2001", "1005"), operate=("%2002", "%2003"), administer=("1009", "%2009"))


def peer(uid: int = 1000, *groups: int) -> Peer:
    return Peer(uid=uid, pid=4321, name="alice", groups=frozenset(groups))


@pytest.mark.parametrize(
    ("who", "access"),
    [
        (peer(1000), None),
        (peer(1000, 1000, 2000), None),
        (peer(1005), Access.VIEW),
        (peer(1000, 2001), Access.VIEW),
        (peer(1000, 2002), Access.OPERATE),
        (peer(1000, 7, 2003, 2001), Access.OPERATE),
        (peer(1009), Access.ADMINISTER),
        (peer(1005, 2009), Access.ADMINISTER),
        (peer(0), Access.ADMINISTER),
        (peer(SERVICE), Access.ADMINISTER),
        # A number that is a user's is not a group's.
        (peer(2001), None),
        (peer(1000, 1005, 1009), None),
    ],
)
def test_a_peer_has_the_highest_access_of_its_user_and_groups(who: Peer, access: Access | None) -> None:
    assert Guard(SETTINGS, SERVICE).access_of(who) == access


@pytest.mark.parametrize("verb", sorted(CATALOGUE))
def test_every_verb_requires_its_declared_access(verb: str) -> None:
    guard = Guard(SETTINGS, SERVICE)
    needed = CATALOGUE[verb].access
    peers = {Access.VIEW: peer(1000, 2001), Access.OPERATE: peer(1000, 2002), Access.ADMINISTER: peer(1009)}
    for has, who in peers.items():
        if list(Access).index(has) >= list(Access).index(needed):
            guard.check(who, needed, verb)
        else:
            with pytest.raises(Problem) as refused:
                guard.check(who, needed, verb)
            assert refused.value.code is Code.DENIED
            message = f"cannot do {verb}: it needs access to {needed}, and alice (uid 1000) has access to {has}"
            assert refused.value.message == message
    with pytest.raises(Problem, match=r"and alice \(uid 1000\) has none"):
        guard.check(peer(1000), needed, verb)


def test_the_hint_names_a_group_that_would_be_enough() -> None:
    with pytest.raises(Problem) as refused:
        Guard(AccessSettings(), SERVICE).check(peer(), Access.OPERATE, "loop.pause")
    assert refused.value.hint is not None
    assert "be in the group ftl2 (`usermod -aG ftl2 alice`)" in refused.value.hint
    with pytest.raises(Problem) as refused:
        Guard(AccessSettings(), SERVICE).check(peer(), Access.ADMINISTER, "system.shutdown")
    assert refused.value.hint == "be named in access.administer of the settings, or ask root"


def test_names_of_users_and_groups_are_those_of_the_machine(caplog: pytest.LogCaptureFixture) -> None:
    user, group = pwd.getpwall()[-1], grp.getgrall()[-1]
    guard = Guard(AccessSettings(view=(f"%{group.gr_name}", "nobody-of-this-name"), operate=(user.pw_name,)), SERVICE)
    assert guard.access_of(peer(54321, group.gr_gid)) is Access.VIEW
    assert guard.access_of(peer(user.pw_uid)) in {Access.OPERATE, Access.ADMINISTER}
    assert "access.view names 'nobody-of-this-name', which does not exist on this machine" in caplog.text


def test_the_kernel_identifies_the_peer() -> None:
    mine, theirs = socket.socketpair(socket.AF_UNIX)
    with mine, theirs:
        found = peer_of(mine)
    assert (found.uid, found.pid) == (os.geteuid(), os.getpid())
    assert {os.getegid(), *os.getgroups()} <= found.groups
    name = pwd.getpwuid(os.geteuid()).pw_name
    assert found.actor == f"{name} (uid {os.geteuid()}, pid {os.getpid()})"
