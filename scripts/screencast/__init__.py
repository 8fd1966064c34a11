"""The picture of the demo in docs/demo.svg: play it, read the screen, mask what varies, draw the lines."""
