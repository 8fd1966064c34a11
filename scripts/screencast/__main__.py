"""Write the picture to the file that the command line names."""

import sys
from pathlib import Path

from scripts.screencast.drawing import draw
from scripts.screencast.mask import mask
from scripts.screencast.play import play
from scripts.screencast.screen import read_lines

if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw(mask(read_lines(play()))), encoding="utf-8")
