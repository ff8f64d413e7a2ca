"""Train a GAN: python src/train.py [key=value ...]; --help lists the groups, --cfg job prints all keys."""

from ganlab.configuration.entry import DictConfig, entry_point


@entry_point("train")
def main(config: DictConfig) -> float | None:
    """Train one run; returns its score, for sweepers that search."""
    from ganlab.runs.training import train

    return train(config)


if __name__ == "__main__":
    main()
