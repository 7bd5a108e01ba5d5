"""A scheduler of a sweep file: its class, and its arguments as given."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from lrdecay.components.registry import registered


class SchedulerSpec(BaseModel):
    """One scheduler of the matrix: a class, and its arguments as given."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    class_: Annotated[str, registered("scheduler")] = Field(
        alias="class", description="a class that `lrdecay schedulers` lists"
    )

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments beside the class, as given."""
        return dict(self.model_extra or {})
