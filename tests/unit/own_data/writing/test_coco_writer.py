from tests.unit.own_data import makers
from vitpose.own_data.annotations import Photo
from vitpose.own_data.writing.coco_writer import write_images


def test_names_that_repeat_in_any_case_get_numbers(tmp_path):
    """A file system that ignores the case has one file for `a.png` and `A.png`: the labels of one would be wrong."""
    paths = ['1/a.png', '2/a.png', '3/A.png', '4/a_2.png', '5/a.png', '6/b.png']
    photos = [Photo(makers.write_image(tmp_path / path, i), path) for i, path in enumerate(paths)]
    names = write_images(tmp_path / 'out', photos, copy=True)
    assert list(names.values()) == ['a.png', 'a_2.png', 'A_3.png', 'a_2_2.png', 'a_4.png', 'b.png']
    for path, name in names.items():
        assert (tmp_path / 'out/images' / name).read_bytes() == path.read_bytes()
