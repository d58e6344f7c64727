"""Which failed requests a rule allows. Each rule has a name, and every request that it allows is counted under it."""

# What a client sees of a connection that ended with the process that held it.
LOST = ("kept-alive connection was closed", "IncompleteReadError", "ConnectionResetError", "BrokenPipeError")
CLOCKS = 0.05  # seconds: between the client's note of the time and the soak's

IN_A_KILLED_PROXY = "its connection was open when the proxy was killed"
STARVED = "the machine: the same client at the same app without Belay got no answer in time either, within 1.5 s of it"


def allowed(failure, proxy_deaths, control_failures):
    """The name of the rule that allows it, or None."""
    began, ended, opened = failure["at"], failure["at"] + failure["took_ms"] / 1000, failure["opened"]
    if failure["why"].startswith(LOST) and any(opened <= death + CLOCKS and ended >= death - CLOCKS for death in proxy_deaths):
        return IN_A_KILLED_PROXY
    if failure["why"] == "no answer in time" and any(began - 1.5 <= other["at"] + other["took_ms"] / 1000 and other["at"] <= ended + 1.5
                                                     for other in control_failures):
        return STARVED
    return None
