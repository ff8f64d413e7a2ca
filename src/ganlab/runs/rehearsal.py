"""What is known of a run before anything is read: its networks fit memory, the pictures, and each device's share."""

from ganlab.errors import UserError
from ganlab.files import amount
from ganlab.runs.build import Config, build_system
from ganlab.runs.machine import Machine
from ganlab.systems.rehearsal import META, OneValueError, rehearse, size_of

STATES = 3  # copies of the weights: themselves, gradients, and moments of one kind at least


def rehearse_system(config: Config, world_size: int) -> None:
    """Raise ``UserError`` for networks that do not fit memory, pictures, each other, or the images of a device."""
    with META:
        system = build_system(config)
    machine, needed = Machine.here(config["trainer"]["accelerator"]), STATES * size_of(system)
    if needed > machine.memory:
        raise UserError(
            f"the networks take {amount(needed)} with their gradients and moments, and this {machine.device} has "
            f"{amount(machine.memory)}: make them smaller, such as by architecture.width="
        )
    size = min({config["data"]["batch_size"]} | system.stages.batch_sizes)
    synchronised = world_size if machine.device == "cuda" and config["trainer"]["sync_batchnorm"] else 1
    images = max(size // (world_size * config["accumulate"]), 1)
    sizes = [config["data"].get(key) for key in ("image_size", "channels", "input_channels")]
    try:
        rehearse(system, min(images * synchronised, 4), *sizes)
    except OneValueError:
        least = 2 * world_size * config["accumulate"]
        parts = f" with accumulate={config['accumulate']}" if config["accumulate"] > 1 else ""
        devices = f" on {world_size} devices" if world_size > 1 else ""
        raise UserError(
            f"data.batch_size={size}{devices}{parts} leaves one image at a time, and batch norm needs more: type "
            f"data.batch_size={least} or more{', or a smaller accumulate=' if parts else ''}"
        ) from None
