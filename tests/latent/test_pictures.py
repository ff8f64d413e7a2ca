import torch

from ganlab.latent.pictures import GAP, arithmetic_picture, image_grid


def test_a_grid_has_the_rows_and_columns_that_it_is_given():
    images = torch.arange(6, dtype=torch.uint8).view(2, 3, 1, 1, 1).expand(2, 3, 3, 4, 5)
    picture = image_grid(images)
    assert picture.shape == (3, 2 * 6 + 2, 3 * 7 + 2) and picture.dtype == torch.uint8
    assert picture[0, 2::6, 2::7][:2, :3].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert int(picture[0, 0, 0]) == 255


def test_a_sum_shows_exemplars_means_the_nine_and_the_pixels():
    size = 24
    cell = size + 2

    def grey(*levels: int) -> torch.Tensor:
        return torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, size, size)

    exemplars = grey(*range(10, 19)).unflatten(0, (3, 3))  # 10, 11, 12 of the first concept
    picture = arithmetic_picture(exemplars, grey(20, 21, 22), grey(*range(30, 39)), grey(40)[0])[0]
    across = [2 + cell * column for column in range(3)]
    assert [[int(picture[y, x]) for x in across] for y in across] == [[10, 13, 16], [11, 14, 17], [12, 15, 18]]
    below = 3 * cell + 2 + GAP + 2
    assert [int(picture[below, x]) for x in across] == [20, 21, 22]
    right = 3 * cell + 2 + GAP
    assert [[int(picture[y, right + x]) for x in across] for y in across] == [[30, 31, 32], [33, 34, 35], [36, 37, 38]]
    assert int(picture[below, right + 2]) == 40
