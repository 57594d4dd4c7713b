"""What MongoDB's complaints are told as."""

import pytest

from labmon.datastream.backends.mongodb_failures import said

REFUSED = "lab:27017: [Errno 111] Connection refused"
TIMES = " (configured timeouts: socketTimeoutMS: 20000.0ms, connectTimeoutMS: 20000.0ms)"
TOPOLOGY = f", Timeout: 5.0s, Topology Description: <TopologyDescription id: 6, error={REFUSED}>"


@pytest.mark.parametrize("error", [REFUSED, REFUSED + TIMES, REFUSED + TIMES + TOPOLOGY])
def test_people_are_told_the_cause_without_what_the_driver_knows_of_servers(error):
    assert said(OSError(error)) == REFUSED
