import json

from vitpose.predict.outputs.results import UNCERTAIN, write_uncertain


def test_the_lowest_scores_are_listed_but_no_neighbors(tmp_path):
    means = {('a.jpg', None): 0.5, **{('v.mp4', i): 0.9 - i / 100 for i in range(26)}, ('b.jpg', None): 0.7}
    lines = [
        dict(file=file, keypoint_scores=[[mean - 0.1, mean + 0.1]], **({} if i is None else dict(frame=i, time=i / 10)))
        for (file, i), mean in means.items()
    ]
    nobody = dict(file='c.jpg', keypoint_scores=[])
    common = dict(boxes=[], scores=[], keypoints=[], track_ids=None, dropped=[], error=None)
    text = ''.join(json.dumps(common | line) + '\n' for line in [*lines, nobody])
    (tmp_path / 'predictions.jsonl').write_text(text)
    shown = ['0.500  a.jpg', '0.650  v.mp4, frame 25', '0.700  b.jpg', '0.750  v.mp4, frame 15']
    assert write_uncertain(tmp_path, 4) == shown
    rows = ['file,frame,time,score', 'a.jpg,,,0.5', 'v.mp4,25,2.5,0.65', 'b.jpg,,,0.7', 'v.mp4,15,1.5,0.75']
    assert (tmp_path / UNCERTAIN).read_text().splitlines() == rows
    assert len(write_uncertain(tmp_path, 99)) == 5
