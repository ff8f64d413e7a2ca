"""Make data ready for training: python src/prepare.py data=NAME [action=make|show|verify]."""

from ganlab.configuration.entry import DictConfig, entry_point


@entry_point("prepare")
def main(config: DictConfig) -> None:
    """Fetch and pack a data set, or show or verify a pack."""
    from ganlab.runs.preparing import prepare

    prepare(config)


if __name__ == "__main__":
    main()
