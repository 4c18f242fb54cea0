"""The endpoints, one module for each group of them. They do not import each other.

`record` and `listen` are WebSockets; `sessions`, `audio` and `waveform` are HTTP below
``/api/audio/sessions``; `health`, `docs` and `web_page` are the rest.
"""
