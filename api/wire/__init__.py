"""What clients see: messages, errors, and the documents that describe them.

`errors` is the one table from exception to wire, `messages` has one struct for each message and
body, `openapi` and `asyncapi` are made from both. `byte_ranges` reads what HTTP clients ask for,
`waveform_picture` draws what they get.
"""
