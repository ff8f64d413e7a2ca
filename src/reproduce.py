"""Make a figure or table of the paper: python src/reproduce.py figure=4 checkpoint=RUN/checkpoints/best.ckpt."""

from ganlab.configuration.entry import DictConfig, entry_point


@entry_point("reproduce")
def main(config: DictConfig) -> None:
    """Write a figure or table and its scores and print them next to the paper's; without a choice, list all."""
    if config.figure is None and config.table is None:
        from ganlab.paper.listing import list_figures

        return list_figures()

    from ganlab.paper.reproducing import reproduce

    reproduce(config)


if __name__ == "__main__":
    main()
