"""`make docs`: the documents of this repository as a website that works without a network, made with Sphinx.

`pages` says which documents there are and makes them ready for Sphinx, `reference` writes the pages about the API from
the docstrings and the schema, `conf.py` is the configuration of Sphinx.
"""
