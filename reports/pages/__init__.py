"""Answers as people read them: terminal, Markdown, HTML that needs no internet."""
