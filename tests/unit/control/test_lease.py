"""Leases: one controls alone for a while; others are told who, and until when."""

from __future__ import annotations

import asyncio
import time

import pytest

from labmon.control.caller import Caller
from labmon.control.lease import Leases

ANN = Caller("ann", "operator")
BOB = Caller("bob", "operator")


async def test_who_holds_the_lease_commands_and_others_are_told_who_and_until_when(call, valve):
    lease = (await call("lease.acquire", {"device": "valve", "seconds": 30}, who="ann"))["result"]
    assert lease == {"device": "valve", "owner": "ann", "until": 1_764_244_830.0}
    error = (await call("valve.open", [5], who="bob"))["error"]
    assert error["code"] == -32005
    assert "valve is leased by ann until 2025-11-27T12:00:30Z" in error["message"]
    assert error["data"] == lease
    assert "result" in await call("valve.open", [6], who="ann")
    assert valve.openings == [6]


async def test_a_lease_runs_out_by_the_monotonic_clock(call, clocks):
    await call("lease.acquire", {"device": "valve", "seconds": 30}, who="ann")
    clocks.wall_ns += 3600 * 10**9
    assert "error" in await call("valve.open", [5], who="bob")
    clocks.advance(29.9)
    assert "error" in await call("valve.open", [5], who="bob")
    clocks.advance(0.1)
    assert "result" in await call("valve.open", [5], who="bob")


async def test_a_lease_is_renewed_by_its_owner_only(call, clocks):
    await call("lease.acquire", ["valve", 10], who="ann")
    clocks.advance(9)
    assert (await call("lease.renew", ["valve", 10], who="bob"))["error"]["code"] == -32005
    assert "result" in await call("lease.renew", ["valve", 10], who="ann")
    clocks.advance(9)
    assert (await call("lease.acquire", ["valve"], who="bob"))["error"]["code"] == -32005
    clocks.advance(1)
    error = (await call("lease.renew", ["valve"], who="ann"))["error"]
    assert error["code"] == -32602
    assert "nobody holds a lease of valve" in error["message"]


async def test_a_lease_is_given_back_by_its_owner_only(call):
    await call("lease.acquire", ["valve"], who="ann")
    assert (await call("lease.release", ["valve"], who="bob"))["error"]["code"] == -32005
    assert (await call("lease.release", ["valve"], who="ann"))["result"] is None
    assert (await call("lease.release", ["valve"], who="ann"))["error"]["code"] == -32602
    assert "result" in await call("lease.acquire", ["valve"], who="bob")


async def test_acquiring_ones_own_lease_again_is_no_error(call):
    await call("lease.acquire", ["valve", 10], who="ann")
    again = (await call("lease.acquire", ["valve", 20], who="ann"))["result"]
    assert again["until"] == 1_764_244_820.0


async def test_a_lease_can_be_stolen_and_the_audit_says_so(call, records):
    await call("lease.acquire", ["valve"], who="ann")
    stolen = (await call("lease.steal", ["valve"], who="bob"))["result"]
    assert (stolen["owner"], stolen["taken_from"]) == ("bob", "ann")
    assert (await call("valve.open", [5], who="ann"))["error"]["code"] == -32005
    path, entry = records[1]
    assert path == "valve/_commands"
    assert (entry["command"], entry["who"], entry["ok"]) == ("lease.steal", "bob", True)
    assert entry["result"]["taken_from"] == "ann"


async def test_who_steals_from_nobody_or_from_himself_takes_it_from_nobody(call, clocks):
    assert (await call("lease.steal", ["valve", 5], who="bob"))["result"]["taken_from"] is None
    assert (await call("lease.steal", ["valve", 5], who="bob"))["result"]["taken_from"] is None
    clocks.advance(5)
    assert (await call("lease.steal", ["valve", 5], who="ann"))["result"]["taken_from"] is None


async def test_every_change_of_a_lease_is_told_with_who_holds_it_then(clocks):
    told = []
    leases = Leases(
        lambda: clocks.wall_ns,
        lambda: clocks.monotonic_ns,
        lambda device: told.append((device, leases.shown(device))),
    )
    until = clocks.wall_ns / 1e9 + 30
    leases.acquire("valve", ANN, 30)
    leases.renew("valve", ANN, 60)
    leases.steal("valve", BOB, 30)
    leases.release("valve", BOB)
    assert told == [
        ("valve", {"owner": "ann", "until": until}),
        ("valve", {"owner": "ann", "until": until + 30}),
        ("valve", {"owner": "bob", "until": until}),
        ("valve", None),
    ]


async def test_the_end_of_a_lease_is_told_when_it_comes_and_no_end_of_an_earlier_one():
    ends = asyncio.Queue()
    began_ns, is_renewed = time.monotonic_ns(), False

    def monotonic_ns():
        """It goes on when the lease is renewed, however slow the machine is until then."""
        return time.monotonic_ns() if is_renewed else began_ns

    leases = Leases(
        monotonic_ns=monotonic_ns, changed=lambda device: ends.put_nowait(leases.shown(device))
    )
    leases.acquire("valve", ANN, 0.01)
    renewed = leases.renew("valve", ANN, 0.03)
    is_renewed = True
    told = [await asyncio.wait_for(ends.get(), 30) for _ in range(3)]
    assert [lease and lease["owner"] for lease in told] == ["ann", "ann", None]
    assert time.monotonic_ns() >= renewed.expires_ns
    assert leases.holder("valve") is None


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (["vlave"], -32602),
        ([], -32602),
        (["valve", 0], -32006),
        (["valve", 3601], -32006),
        (["valve", "60"], -32602),
    ],
)
async def test_a_lease_of_nothing_or_for_ever_is_refused(call, params, code):
    assert (await call("lease.acquire", params))["error"]["code"] == code
