from types import SimpleNamespace

from ganlab.callbacks.metric_logger import MetricLogger
from ganlab.callbacks.progress import Progress


def test_the_line_tells_both_losses_speed_score_and_time_left() -> None:
    metric_logger = MetricLogger(100)
    metric_logger.latest = {
        "loss/discriminator": 1.0234,
        "loss/generator": 2.5,
        "discriminator/r1": 3.0,
        "images/s": 200.0,
    }
    evaluations = SimpleNamespace(evaluator=SimpleNamespace(score_name="fid_digits"), latest={"fid_digits": 4.21})
    progress = Progress(80_000, metric_logger, evaluations)  # type: ignore[arg-type]
    assert (
        progress.line(20_000) == "20,000 of 80,000 images, 200 images/s, 5.0 min left: D 1.02, G 2.5, fid_digits 4.21"
    )
    assert Progress(None, metric_logger, None).line(20_000) == "20,000 images, 200 images/s: D 1.02, G 2.5"
