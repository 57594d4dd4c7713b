from hypothesis import HealthCheck, settings

# a loaded machine is no failure of the code under test
settings.register_profile(
    "numbers", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("numbers")
