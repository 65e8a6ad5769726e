"""The configuration of Sphinx. Nothing on a page comes from another server."""

from pathlib import Path

from pulumi_instances import __version__

project = "pulumi-instances"
release = __version__
root_doc = "index"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_inline_tabs"]
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 6
smartquotes = False
default_role = "code"
python_maximum_signature_line_length = 80
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"pulumi-instances {release}"
html_copy_source = False
html_show_copyright = False
html_static_path = [str(Path(__file__).parent / "static")]
html_css_files = ["style.css"]
html_js_files = [("tables.js", {"defer": "defer"})]
