"""Small programs that run; the test suite runs each."""
