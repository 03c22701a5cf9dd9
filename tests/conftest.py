"""What every test has: hypothesis does not mind a machine that is busy elsewhere."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "gate",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gate")
