import numpy as np
import pytest

from vitpose.synthetic.bodies.pose_families import FAMILIES, WEIGHTS, sample_pose
from vitpose.synthetic.bodies.skeleton import HUMAN, mirror_name, rotation


def test_arms_hang_and_face_looks_at_the_camera_in_the_rest_pose() -> None:
    positions, frames = HUMAN.forward({})
    # the figure's left is on the image's right
    assert positions['left_shoulder'][0] > 0 > positions['right_shoulder'][0]
    assert positions['left_wrist'][1] < positions['left_elbow'][1] < positions['left_shoulder'][1]
    assert positions['left_ankle'][1] < positions['left_knee'][1] < positions['left_hip'][1]
    assert positions['left_toe'][2] > positions['left_ankle'][2]  # toes point in the direction of the face
    assert all(np.allclose(frame, np.eye(3)) for frame in frames.values())


@pytest.mark.parametrize('difficulty', ['easy', 'hard'])
def test_sampled_poses_are_inside_the_joint_limits(difficulty: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        for name, turn in sample_pose(rng, difficulty).items():
            for angle, (low, high) in zip(turn, HUMAN.joints[name].limits, strict=True):
                assert low <= angle <= high, (name, turn)


def test_impossible_angles_are_clipped() -> None:
    (straight, _), (backwards, _) = map(HUMAN.forward, ({}, {'left_knee': (-90, 0, 0), 'right_elbow': (80, 0, 0)}))
    for joint in ('left_ankle', 'right_wrist'):
        np.testing.assert_allclose(backwards[joint], straight[joint])


def test_joints_turn_in_the_right_direction() -> None:
    for joint, angles, end, direction in (
        ('left_knee', (90, 0, 0), 'left_ankle', (0, 0, -1)),  # heels go back
        ('left_elbow', (-90, 0, 0), 'left_wrist', (0, 0, 1)),  # hands come forward
        ('left_shoulder', (0, 90, 0), 'left_elbow', (1, 0, 0)),  # arms lift away from the body
        ('right_shoulder', (0, -90, 0), 'right_elbow', (-1, 0, 0)),
        ('left_hip', (-90, 0, 0), 'left_knee', (0, 0, 1)),
    ):
        positions, _ = HUMAN.forward({joint: angles})
        arm = positions[end] - positions[joint]
        np.testing.assert_allclose(arm / np.linalg.norm(arm), direction, atol=1e-9)


def test_bone_lengths_do_not_depend_on_the_pose() -> None:
    rng = np.random.default_rng(1)
    build = HUMAN.sample_build(rng)
    rest, _ = HUMAN.forward({}, build)
    posed, frames = HUMAN.forward(sample_pose(rng, 'hard'), build, rotation(20, 30, 40))
    for name, joint in HUMAN.joints.items():
        if joint.parent:
            lengths = [np.linalg.norm(p[name] - p[joint.parent]) for p in (rest, posed)]
            assert lengths[0] == pytest.approx(lengths[1])
    assert all(np.allclose(frame @ frame.T, np.eye(3)) for frame in frames.values())


def test_left_and_right_are_mirror_images() -> None:
    for name, joint in HUMAN.joints.items():
        other = HUMAN.joints[mirror_name(name)]
        if name != mirror_name(name):
            np.testing.assert_allclose(np.array(joint.offset) * (-1, 1, 1), other.offset)
        assert joint.limits[0] == other.limits[0]
        assert joint.limits[1] == tuple(-angle for angle in reversed(other.limits[1])) or not name.startswith('left')


def test_both_arms_are_raised_equally_often() -> None:
    rng = np.random.default_rng(2)
    poses = [sample_pose(rng, 'easy') for _ in range(600)]
    raised = [np.mean([pose[f'{side}_shoulder'][0] < -60 for pose in poses]) for side in ('left', 'right')]
    assert abs(raised[0] - raised[1]) < 0.07
    assert set(WEIGHTS['easy']) <= set(FAMILIES)
