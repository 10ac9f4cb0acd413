import pytest

from congruence.errors import FormatError, InputError
from congruence.io.ranges import read_density_ranges


def read(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return {key: str(tree) for key, tree in read_density_ranges(path).items()}


def test_toml_speaks_the_selection_language(tmp_path):
    text = '[densities]\nstalk = "Rpb4 + Rpb7:1-80@1"\ndashed = \'"Med-7"\'\n'
    assert read(tmp_path, "a.toml", text) == {"stalk": "Rpb4 + Rpb7:1-80@1", "dashed": '"Med-7"'}


def test_the_text_of_pmi_is_read_as_literals(tmp_path):
    text = '# maps\ndensity_custom_ranges = {"x": ["A.1", (1, 5, "B")],\n "y": ["C"]}\n'
    assert read(tmp_path, "ranges.txt", text) == {"x": "A@1 + B:1-5", "y": "C"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", 'x = "A.1"'),
        ("a.toml", "x = "),
        ("a.txt", "density_custom_ranges = {'x': [open('/etc/passwd')]}"),
        ("a.txt", "other = {}"),
        ("a.txt", "density_custom_ranges = {"),
    ],
)
def test_what_cannot_be_read_says_where(tmp_path, name, text):
    with pytest.raises(FormatError) as caught:
        read(tmp_path, name, text)
    assert name in caught.value.message


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot read the density ranges"):
        read_density_ranges(tmp_path / "none.txt")
