"""The fine print of the language of conditions, rule by rule, held by the core and by the reference alike.

Each test is named after the rule that it holds. A case is a condition and what it comes to for the event of the test:
`true`, `false`, the text of an error, or `refused` for a text that is no condition.
"""
