"""Measure a checkpoint's samples: python src/evaluate.py checkpoint=RUN/checkpoints/last.ckpt [metrics=[fid,swd]]."""

from ganlab.configuration.entry import DictConfig, entry_point


@entry_point("evaluate")
def main(config: DictConfig) -> None:
    """Print a table of metrics and write them, with their protocol, to evaluation.json."""
    from ganlab.runs.evaluating import evaluate

    evaluate(config)


if __name__ == "__main__":
    main()
