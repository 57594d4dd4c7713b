"""A clock for stores under test: it stands still until it is told to go on."""

START_NS = 1_700_000_000 * 1_000_000_000


class SteppedClock:
    """Called, it tells the time, in nanoseconds."""

    def __init__(self):
        self.now_ns = START_NS

    def __call__(self):
        return self.now_ns

    def step(self, seconds):
        self.now_ns += round(seconds * 1e9)
        return self.now_ns
