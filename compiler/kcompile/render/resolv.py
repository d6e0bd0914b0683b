"""resolv.conf files (resolv.conf(5))."""

import re

from kcompile.ir import ResolvConf
from kcompile.problems import OurBugError, printable
from kcompile.render.environment import template

_WORD = re.compile(r"[!-~]+")


def resolv_text(conf: ResolvConf) -> str:
    options = [f"{name}:{value}" if value else name for name, value in conf.options]
    for word in (*conf.nameservers, *conf.searches, *options):
        # Kubernetes itself takes any text as an option; a line break in it would be a line here.
        if not _WORD.fullmatch(word):
            raise OurBugError(f"an unchecked string reached resolv.conf: {printable(word)}")
    return template("resolv.conf.j2").render(
        nameservers=conf.nameservers, searches=conf.searches, options=options
    )
