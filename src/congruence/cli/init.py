"""``congruence init``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("init")
@click.argument("runs", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, allow_dash=True),
    default=Path("congruence.toml"),
    show_default=True,
    help="File to write; - prints it.",
)
@click.option("--force", is_flag=True, help="Replace the file.")
def command(runs: tuple[str, ...], out: Path, force: bool) -> None:
    """Write a commented configuration for what is found in RUNS."""
    from congruence.errors import OutputError
    from congruence.workflow.overview import config_text

    if str(out) != "-" and out.exists() and not force:
        raise OutputError(f"{out} exists", hint="Use --force, or another name with --out.")
    text = config_text(runs)
    if str(out) == "-":
        click.echo(text, nl=False)
    else:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"cannot write {out}: {error.strerror}", hint="Give another name with --out."
            ) from error
        click.echo(
            f"written: {out} (fill in 'align', then: congruence cluster --config {out} --out DIR)"
        )
