"""What can be wrong with a release; the demo commits other versions of this file."""


def start():
    """Called once, before the first request."""


def health():
    return 200, "well"


def page(html):
    return 200, html
