"""The public interface: messages, errors, and the OpenAPI and AsyncAPI documents.

`messages` has one struct per message and body. `errors` has the table of error codes, HTTP statuses
and close codes; `error_answers` builds messages and bodies from it. `openapi` and `asyncapi` are
generated from both. `byte_ranges` parses Range headers; `waveform_picture` draws SVG and PNG.

The package does no I/O. Clients rely on it: codes, close codes and field names never change.
"""
