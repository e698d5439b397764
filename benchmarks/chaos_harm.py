"""Chains that begin with harm: one retrains and ends with a canary, one brings the champion before back."""

from benchmarks.chaos_chain import Chain, Place, until
from benchmarks.chaos_project import DAY, FALL_BACK, HARM, SHARES
from benchmarks.chaos_world import World

ON_CANARY = "on a canary"
_CANARY_DAY = 14


class HarmChain(Chain):
    """A model's way from an alert of harm to a champion that took over by shares."""

    def __init__(self, at: World, number: int, place: Place) -> None:
        super().__init__(at, number, place)
        self.policy = f"auc/{self.model}"

    def happen(self) -> None:
        """Let labels show that the champion is wrong, and look."""
        labels = self.ask("harmed", self.began - DAY)
        self.at.replayer.run([labels], until=self.began)
        self.look("monitor", {"policy": self.policy, "at": self.began})

    def decided(self) -> bool:
        """Tell whether the challenger has its first share."""
        return self.at.registry.canaries.on(self.model) is not None

    def take_over(self) -> None:
        """Ask at each share for its time, and look."""
        for step, share in enumerate(SHARES):
            until(lambda: self.served()["challenger_share"] == share, f"the door gives a share of {share}")  # noqa: B023 (called at once)
            if step == 0:
                self.kill(ON_CANARY)
            since = self.began + (_CANARY_DAY + step) * DAY
            self.ask(f"share-{step}", since)
            self.at.replayer.run([], until=since + DAY // 2)  # a canary goes no further than the log's clock
            self.look("canary", {"model_name": self.model})
            until(lambda: self._share() != share, f"the share is no longer {share}")  # noqa: B023 (called at once)

    def _share(self) -> float:
        on = self.at.registry.canaries.on(self.model)
        return 0.0 if on is None else on.share


class FallBackChain(HarmChain):
    """A model's way from an alert of harm back to the champion before."""

    def crown(self) -> None:
        """Make what is wrong the champion twice, and wait until the second is served."""
        super().crown()
        self.at.crown(self.model)
        until(lambda: self.served()["champion_version"] == 2, "the door serves the second champion")

    def follow(self) -> None:
        """Wait until the champion before serves again."""
        until(lambda: self.served()["champion_version"] == 1, "the door serves the first champion again")


CHAINS: dict[str, type[Chain]] = {HARM: HarmChain, FALL_BACK: FallBackChain}
"""The chains of kinds that are not of drift."""
