"""Scaling: two processes beside one at the same global batch, and a model of more GPUs from what is exchanged.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --size 64 --width 128 --batch 128 --step-ms 12.5 --bandwidth 300

Two processes on the CPU, joined by gloo, train through the Trainer on half of each batch; each has half the threads of
the single one. The gradients that they exchange are counted in bytes, batch norm's buffers beside them. The model of N
GPUs, each with a whole batch (weak scaling), lets nothing overlap:

    step(N) = step(1) + 2 (N - 1) / N * volume / bandwidth        efficiency(N) = step(1) / step(N)

since a ring of N passes 2 (N - 1) / N of the volume through each link. ``--step-ms`` is the time of a step on one GPU,
from train_speed.py, and ``--bandwidth`` that of a link in GB/s: about 300 of NVLink 4, 20 of PCIe 4.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "benchmarks")]


def train(options: argparse.Namespace, folder: Path) -> None:
    """Train as one of ``--devices`` processes, and let the first write seconds a step and bytes a step."""
    import torch

    from ganlab.callbacks.metric_logger import MetricLogger
    from ganlab.callbacks.stop import StopAtImages
    from ganlab.data.module import ImageDataModule
    from ganlab.data.packs.pictures import PictureProtocol
    from ganlab.data.spec import PackSpec
    from ganlab.runs.build import build_system, build_trainer
    from ganlab.runs.machine import Machine, settle
    from ganlab.runs.training import silence_lightning
    from train_speed import Noise, configuration

    silence_lightning()
    torch.set_num_threads(max((os.cpu_count() or 1) // options.devices, 1))
    typed = [f"trainer.devices={options.devices}", "trainer.accelerator=cpu"]
    config = configuration(options.size, options.width, options.batch, typed)
    config = settle(config, Machine.here("cpu").choices() | {"machine.compile": "none"}, None)
    noise = PackSpec(Noise(8 * options.batch, options.size), PictureProtocol(options.size, 3), folder, 0, 0)
    system, times, exchanged = build_system(config), list[float](), [0]

    exchange = torch.distributed.all_reduce

    def counting(tensor: torch.Tensor, *given: Any, **named: Any) -> Any:
        exchanged[0] += tensor.nbytes
        return exchange(tensor, *given, **named)

    torch.distributed.all_reduce = counting

    class Watch(StopAtImages):
        def on_train_batch_end(self, *given: Any) -> None:
            times.append(time.perf_counter())
            super().on_train_batch_end(*given)

    trainer = build_trainer(config, [MetricLogger(10_000), Watch(options.steps * options.batch)], [])
    trainer.fit(system, datamodule=ImageDataModule(noise, options.batch))
    if trainer.is_global_zero:
        steps = [after - before for before, after in zip(times[1:], times[2:], strict=False)]
        gradients = {name: sum(p.numel() * 4 for p in net.parameters()) for name, net in system.networks.items()}
        buffers = sum(buffer.nbytes for buffer in system.networks.buffers())
        report = {"step": statistics.median(steps), "bytes": exchanged[0] / len(times), "buffers": buffers}
        (folder / f"{options.devices}.json").write_text(json.dumps(report | {"gradients": gradients}))


def main() -> None:
    """Compare one process with two, and extrapolate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--step-ms", type=float, help="time of a step on one GPU")
    parser.add_argument("--bandwidth", type=float, default=300.0, help="of a link between GPUs, GB/s")
    parser.add_argument("--devices", type=int, help=argparse.SUPPRESS)  # how this script starts itself
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.devices:
        return train(options, options.folder)
    found: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        for _ in range(options.rounds):
            for count, reports in found.items():
                subprocess.run([sys.executable, *sys.argv, "--devices", str(count), "--folder", name], check=True)
                reports.append(json.loads(Path(name, f"{count}.json").read_text()))
    one, two = (statistics.median(report["step"] for report in found[count]) for count in (1, 2))
    volume, gradients = found[2][0]["bytes"], found[2][0]["gradients"]
    print(f"two processes: {two / one:.2f} x the step's time of one with both their threads, same global batch")
    listed = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in gradients.items())
    print(f"exchanged a step: {volume / 1e6:.2f} MB of gradients (one copy of each: {listed})")
    print(f"    and before each step {found[2][0]['buffers'] / 1e6:.3f} MB of batch norm's buffers")
    for gpus in (2, 4, 8):
        ms = 2 * (gpus - 1) / gpus * volume / (options.bandwidth * 1e9) * 1e3
        text = f"{gpus} GPUs: {ms:.3f} ms a step at {options.bandwidth:.0f} GB/s"
        if options.step_ms:
            text += f", efficiency {options.step_ms / (options.step_ms + ms):.1%}"
        print(text)
    return None


if __name__ == "__main__":
    main()
