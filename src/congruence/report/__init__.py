"""
Pages that explain a result: one HTML file that needs no network and no other file.

`congruence.report.html` makes the parts of a page (tables, verdicts, figures) from
plain texts, `congruence.report.exhaustiveness` puts the exhaustiveness tests on one.
Everything that comes from a user is escaped; figures are inside the page.
"""
