"""What is drawn for a person: numbers as colours, masks as squares."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from lib_indetail.pictures.heat_map import CELL, COLOURS, LINE, MARGIN, colours, enlarged, heat_map, layer_label


def test_colours_run_from_dark_to_light():
    shown = colours(np.linspace(0, 1, 21)).astype(int)
    assert shown[0].tolist() == COLOURS[0].tolist() and shown[-1].tolist() == COLOURS[-1].tolist()
    assert (np.diff(shown @ [0.3, 0.59, 0.11]) > 0).all()
    assert (colours(np.array([-1.0, 2.0, np.nan])) == colours(np.array([0.0, 1.0, 0.0]))).all()


def test_every_cell_has_the_colour_of_its_number():
    values = torch.tensor([[0.0, 0.25, 1.0], [0.5, 0.75, 0.1]])
    picture = heat_map(values, ["output 3", "output 4"], ["14.6", "3.1", "0.2"], "A title")
    left = picture.width - MARGIN - 3 * CELL[0]
    for row in range(2):
        for column in range(3):
            at = left + CELL[0] * column + 1, MARGIN + 2 * LINE + CELL[1] * row + 1
            assert picture.getpixel(at) == tuple(colours(values.numpy())[row, column])


def test_a_cells_number_is_its_own():
    def cell(first: float, second: float) -> bytes:
        picture = heat_map(torch.tensor([[first, second]]), ["a"], ["1", "2"], "x")
        left = picture.width - MARGIN - CELL[0]
        return picture.crop((left, MARGIN + 2 * LINE, left + CELL[0], MARGIN + 2 * LINE + CELL[1])).tobytes()

    assert cell(0.1, 0.25) == cell(0.9, 0.25) != cell(0.1, 0.251 + 0.01)


def test_a_long_title_is_not_cut():
    short, long = (heat_map(torch.zeros(1, 1), ["a"], ["1"], title) for title in ("x", "x" * 200))
    assert long.width > 6 * short.width


def test_a_mask_is_shown_cell_by_cell():
    picture = enlarged(torch.tensor([[0.0, 1.0], [0.5, 0.25]]), (16, 32))
    assert picture.size == (16, 32)
    assert [picture.getpixel(at) for at in ((7, 15), (8, 15), (7, 16), (8, 16))] == [0, 255, 128, 64]
    assert isinstance(enlarged(torch.ones(2, 2, dtype=torch.bool), (4, 4)), Image.Image)


def test_layers_are_named_by_their_block():
    names = {"output_blocks.3.1.transformer_blocks.0.attn1": "output 3",
             "output_blocks.0.1.transformer_blocks.7.attn1": "output 0.7",
             "input_blocks.11.1.transformer_blocks.0.attn1": "input 11",
             "middle_block.1.transformer_blocks.0.attn1": "middle",
             "middle_block.1.transformer_blocks.4.attn1": "middle 4"}
    assert {name: layer_label(name) for name in names} == names
