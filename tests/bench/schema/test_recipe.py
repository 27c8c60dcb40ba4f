"""What an arm runs: a text at the edge to JSON, and nowhere else."""

import pytest

from bench.schema.recipe import Recipe


@pytest.mark.parametrize(
    ("text", "recipe"),
    [
        ("fpn", Recipe("fpn")),
        ("panet~cold", Recipe("panet", "", "", "cold")),
        ("panet@head+copy:96~warm", Recipe("panet", "head", "copy:96", "warm")),
        ("a.room:NAME+copy:96", Recipe("a.room:NAME", slowdown="copy:96")),
    ],
)
def test_recipe_is_read_from_its_text_and_written_back(text: str, recipe: Recipe) -> None:
    assert Recipe.parse(text) == recipe
    assert str(recipe) == text
