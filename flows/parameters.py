"""Parameters of flows, as Prefect's form checks them before there is a run."""

from typing import Annotated

from pydantic import Field

ModelName = Annotated[str, Field(min_length=1)]
"""A model of the project."""
PolicyName = Annotated[str, Field(min_length=1)]
"""A policy of the project."""
FeatureName = Annotated[str, Field(pattern=r"^[^.]+\.[^.]+$")]
"""A feature of a group of the project: `<group>.<feature>`."""
Version = Annotated[int, Field(ge=1)]
"""A registered version of a model."""
Moment = Annotated[int, Field(ge=0)]
"""Of the log's clock, in ms since 1970, UTC."""
Count = Annotated[int, Field(ge=1)]
Minutes = Annotated[float, Field(ge=0)]
