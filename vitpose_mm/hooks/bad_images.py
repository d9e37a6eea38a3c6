"""One list of the images that a run could not read."""

import logging
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmpose.registry import HOOKS

from ..datasets.bad_images import skipping

NAME = 'bad_images.txt'


@HOOKS.register_module()
class BadImageHook(Hook):
    """Makes the training sets with on_bad_image='skip' list their bad images in `bad_images.txt` of the work_dir.

    The list, a line of annotation file, path and reason per image, is shared by all processes and kept when a run
    resumes. Its length is logged after each epoch.
    """

    def before_train(self, runner: Runner) -> None:
        """Tell the datasets where the list is; their workers start later."""
        self._list = Path(runner.work_dir).absolute() / NAME
        for dataset in skipping(runner.train_dataloader.dataset):
            dataset.bad_image_list = self._list

    def after_train_epoch(self, runner: Runner) -> None:
        """Log how many images are listed."""
        if is_main_process() and self._list.is_file():
            number = len(self._list.read_text(encoding='utf-8').splitlines())
            text = f'{number} images could not be read, and other samples took their place: {self._list}'
            print_log(text, logger='current', level=logging.WARNING)
