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
        ("own=mynet%3Amake@base", Recipe("own", "base", factory="mynet:make")),
        ("own,neck%3Da%3Ab~cold", Recipe("own", caches="cold", exchange="neck=a:b")),
        ("own=%2Fx~y%2Ba%40b.py%3Am".replace("~", "%7E"), Recipe("own", factory="/x~y+a@b.py:m")),
    ],
)
def test_recipe_is_read_from_its_text_and_written_back(text: str, recipe: Recipe) -> None:
    assert Recipe.parse(text) == recipe
    assert str(recipe) == text
