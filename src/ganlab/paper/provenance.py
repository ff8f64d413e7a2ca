"""What a model was trained on, as far as its checkpoint tells."""

from ganlab.paper.figure import Model


def trained_on(model: Model) -> str:
    """Return the name of the data of a model's run, such as ``portraits``."""
    return model.config.get("data", {}).get("name", "data that its weights do not tell")


def width_of(model: Model) -> int | None:
    """Return the maps next to the image, ``architecture.width`` of a model's run; None where nothing tells."""
    return model.config.get("architecture", {}).get("width")
