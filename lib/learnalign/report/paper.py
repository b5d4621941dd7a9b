"""The report on paper: a PDF that a screen reader can read, made from the page by WeasyPrint.

WeasyPrint comes with the extra `pdf` and draws its text with Pango, a library of the system. Where
one is missing `Unprinted` says how to get it: a reason to go on, never to fail a run.
"""

import re
from types import ModuleType
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"
SANS = "la-sans, Liberation Sans, Arial, sans-serif"
EXTRA = 'pip install "learnalign[pdf]", or print report.html from a browser'
PANGO = (
    "install Pango (Debian and Ubuntu: apt-get install libpango-1.0-0 libpangoft2-1.0-0"
    " libharfbuzz-subset0; Fedora: dnf install pango; macOS: brew install pango; conda brings it"
    " along), or print report.html from a browser"
)


class Unprinted(Exception):
    """No PDF can be made on this machine: why, and what to do about it."""

    def __init__(self, why: str, fix: str = "") -> None:
        super().__init__(f"{why} Fix: {fix}." if fix else why)
        self.why, self.fix = why, fix


# A table is as wide as its longest word, where none is too long for that: trying letters takes a
# third of the time
BY_WORDS = "body,dd,.long th{overflow-wrap:break-word!important}"
LONG_WORD = re.compile(r"[^\W\d_]{26}")


def pdf(html: str) -> bytes:
    """A report's page as a tagged PDF (PDF/UA-1, A4), with its title, language, author and outline.

    Nothing is fetched: a page may hold `data:` addresses only, and asking for anything else is a
    `ValueError`. Raises `Unprinted` where WeasyPrint or Pango is missing. The same page gives the
    same bytes on the same machine, where HarfBuzz has its subsetter: letters are drawn in the
    machine's fonts. Misleads who takes PDF/UA for a certificate: software checks that tags are
    there, not that they make sense to a listener.
    """
    weasyprint = _weasyprint()
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    refused: list[str] = []

    class OnlyData(URLFetcher):
        def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
            if not url.lower().startswith("data:"):
                refused.append(url[:200])  # WeasyPrint logs it, and prints a page with a hole
                raise ValueError(url)
            return super().fetch(url, headers)

    page = weasyprint.HTML(string=html, url_fetcher=OnlyData())
    _as_weasyprint_reads_it(page.etree_element)
    style = [] if LONG_WORD.search(html) else [weasyprint.CSS(string=BY_WORDS)]
    printed = page.write_pdf(pdf_variant="pdf/ua-1", stylesheets=style)
    if refused:
        names = ", ".join(refused)
        raise ValueError(f"a report holds all that it needs; this page asks for {names}")
    return printed


def _as_weasyprint_reads_it(root: ElementTree.Element) -> None:
    """Pictures say in `title` what a screen reader says; letters lose the halo that would be
    painted over them.
    """
    for svg in root.iter(f"{SVG}svg"):
        title = svg.find(f"{SVG}title")
        if title is None:
            title = ElementTree.SubElement(svg, f"{SVG}title")
        # An ornament is silent, but PDF/UA wants words
        title.text = svg.get("aria-label") or title.text or " "
        svg.set("font-family", SANS)  # no font is handed down to it
        for some in svg.iter():
            if some.attrib.pop("paint-order", None):
                some.attrib.pop("stroke", None)


def _weasyprint() -> ModuleType:
    try:
        import weasyprint
    except ImportError as error:
        why = f"No PDF was made: WeasyPrint is not installed ({error})."
        raise Unprinted(why, EXTRA) from None
    except OSError as error:  # it is there, and finds no Pango
        why = str(error).splitlines()[0]
        why = f"No PDF was made: a library of the system is missing ({why})."
        raise Unprinted(why, PANGO) from None
    return weasyprint
