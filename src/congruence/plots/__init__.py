"""
Figures of results.

Each figure comes in two functions: a pure one (``*_data``) that computes what
is shown and is tested without drawing, and ``plot_*``, which draws it and
returns a matplotlib figure. `style.save_figure` writes it as PDF and PNG.
"""
