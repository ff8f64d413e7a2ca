"""Draw samples from a checkpoint: python src/sample.py checkpoint=RUN/checkpoints/last.ckpt count=64 seed=0."""

from ganlab.configuration.entry import DictConfig, entry_point


@entry_point("sample")
def main(config: DictConfig) -> None:
    """Write a grid, or single PNGs with grid=false."""
    from ganlab.runs.sampling import sample

    sample(config)


if __name__ == "__main__":
    main()
