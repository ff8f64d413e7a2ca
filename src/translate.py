"""Translate pictures: python src/translate.py checkpoint=RUN/checkpoints/best.ckpt input=FOLDER output=FOLDER."""

from omegaconf import DictConfig

from ganlab.configuration.entry import entry_point


@entry_point("translate")
def main(config: DictConfig) -> None:
    """Write the translations of a folder of pictures, and a page of them."""
    from ganlab.runs.translating import translate

    translate(config)


if __name__ == "__main__":
    main()
