from ganlab.configuration.reference import PAGE, page


def test_the_reference_is_current():
    assert PAGE.read_text() == page(), "run python -m ganlab.configuration.reference"


def test_every_switch_stands_in_it():
    text = page()
    assert "| `architecture.discriminator.downsampling` | `strided` | max_pool \\| avg_pool |" in text
    assert "### `optimizer=sgd`" in text and "`optimizer.momentum`" in text and "_target_" not in text
