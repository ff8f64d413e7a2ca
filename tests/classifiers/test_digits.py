import io

import torch

from ganlab.classifiers.digits import augment, digits, digits_network, no_digits, split, train


def test_split_holds_out_a_fifth_of_every_digit() -> None:
    images, labels = digits()
    assert images.shape == (1797, 1, 32, 32)
    assert images.dtype == torch.uint8
    seen, held_out = split(labels)
    assert sorted(torch.cat([seen, held_out]).tolist()) == list(range(1797))
    assert labels[held_out].bincount().tolist() == [36, 36, 35, 37, 36, 37, 36, 36, 35, 36]


def test_training_repeats_itself_and_loads_back() -> None:
    images, labels = digits()
    first, second = (train(images[:256], labels[:256], epochs=1) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    file = io.BytesIO()
    torch.save(first, file)
    file.seek(0)
    digits_network().load_state_dict(torch.load(file, weights_only=True))


def test_shown_pictures_stay_in_range() -> None:
    pixels = digits()[0][:64].float() / 127.5 - 1
    torch.manual_seed(0)
    for shown in (augment(pixels), no_digits(pixels)):
        assert shown.shape == pixels.shape
        assert (shown.min() >= -1) and (shown.max() <= 1)
