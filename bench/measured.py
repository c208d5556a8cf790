"""The measurements of one server's version, as report.py and chart.py ask for them."""

from statistics import median


class Measured:
    """A contender is known by its name, its side and its sessions or connections."""

    def __init__(self, content: dict, major: int):
        self.major = major
        self.version = content["servers"][str(major)]["version"]
        self.measurements = [one for one in content["measurements"] if one["major"] == major]

    def all(self, scenario: str) -> list[dict]:
        return [one for one in self.measurements if one["scenario"] == scenario]

    def scenarios(self) -> list[str]:
        return list(dict.fromkeys(one["scenario"] for one in self.measurements))

    def keys(self, scenario: str) -> list[tuple[str, str, int]]:
        return list(dict.fromkeys((one["contender"], one["side"], one["sessions"]) for one in self.all(scenario)))

    def of(self, scenario: str, name: str, side: str, sessions: int) -> list[dict]:
        key = (name, side, sessions)
        return [one for one in self.all(scenario) if (one["contender"], one["side"], one["sessions"]) == key]

    def has(self, scenario: str, *key) -> bool:
        return bool(self.of(scenario, *key))

    def more(self, scenario: str, name: str, side: str, sessions: int, field: str) -> list:
        return [one[field] for one in self.of(scenario, name, side, sessions) if field in one]

    def any(self, scenario: str, name: str, side: str, sessions: int, field: str) -> bool:
        return bool(self.more(scenario, name, side, sessions, field))

    def times(self, scenario: str, *key) -> list[float]:
        return self.more(scenario, *key, "milliseconds")

    def median(self, scenario: str, *key) -> float:
        return median(self.times(scenario, *key))
