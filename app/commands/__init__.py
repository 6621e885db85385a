"""Groups of the operators' commands, one a module; `app.cli` puts them together.

Commands import what they need themselves, so that each starts as fast as it can: noqa PLC0415 throughout.
"""
