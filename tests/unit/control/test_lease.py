"""Leases: one controls alone for a while; others are told who, and until when."""

from __future__ import annotations

import pytest


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
    assert (await call("lease.steal", ["valve"], who="bob"))["result"]["owner"] == "bob"
    assert (await call("valve.open", [5], who="ann"))["error"]["code"] == -32005
    path, entry = records[1]
    assert path == "valve/_commands"
    assert (entry["command"], entry["who"], entry["ok"]) == ("lease.steal", "bob", True)


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
