"""Images that cannot be had, or are not the one meant."""

from e2e.faults.app import App
from e2e.faults.case import Case, Change
from e2e.faults.conditions import waiting
from gate.causes import Cause

REPOSITORY = "localhost:5000/carepath-chat-api"


def image(reference: str) -> Change:
    """Run this image."""

    def change(app: App) -> None:
        app.use(reference)

    return change


CASES = (
    Case(
        name="image-not-found",
        incidents=(21,),
        fault=image(f"{REPOSITORY}:v1.0.1"),
        near_miss=image(f"{REPOSITORY}:v1.0"),
        terminal_when=waiting("ErrImagePull", "ImagePullBackOff"),
        cause=Cause.IMAGE_NOT_FOUND,
        quick=True,
    ),
)
