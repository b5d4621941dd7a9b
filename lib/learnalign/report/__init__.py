"""Report: how anything is shown, in a notebook or on the page."""
