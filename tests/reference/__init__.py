"""What the package must do, once more in plain Python, written from its specification and importing nothing of it.

Clarity is all that counts here. The property tests hold the core to these modules, errors included.
"""
