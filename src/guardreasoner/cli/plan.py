"""From `guardreasoner plan RECIPE` to what its training needs: parameters, memory, tokens, hours, and if it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from guardreasoner.cli.synthesize import Overrides, RecipeFile

if TYPE_CHECKING:
    from guardreasoner.training.needs import Sharding


def plan(
    recipe: RecipeFile,
    overrides: Overrides = None,
    gpu: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:COUNT]", help="Devices, H100:4 for example. Can be repeated.", show_default="H100:4"
        ),
    ] = None,
    sharding: Annotated[str, typer.Option(help="How weights are spread over devices: none, fsdp2 or zero3.")] = "fsdp2",
    utilisation: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Share of the devices' peak that training is assumed to reach.")
    ] = 0.2,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Say before a run what its training needs, and whether it fits; nothing is loaded or trained.

    Exit status: 0 it fits all the devices named, 1 it does not fit one of them.
    """
    import json

    from guardreasoner.recipe import load_recipe
    from guardreasoner.run import RunFolder
    from guardreasoner.training.planning import needed

    read = load_recipe(recipe, overrides or ())
    found = needed(read, RunFolder(read.output), gpu or ["H100:4"], _sharding(sharding), utilisation)
    typer.echo(json.dumps(found, indent=2) if as_json else "\n".join(_lines(found)))
    raise typer.Exit(0 if all(device["fits"] for device in found["devices"]) else 1)


def _sharding(name: str) -> Sharding:
    from guardreasoner.errors import InputError

    match name:
        case "none" | "fsdp2" | "zero3":
            return name
        case _:
            raise InputError(f"--sharding {name}: expected none, fsdp2 or zero3")


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [
        f"{found['recipe']}: {found['parameters'] / 1e9:,.2f} billion parameters"
        + (
            f", {found['trained'] / 1e6:,.1f} million of them trained"
            if found["trained"] != found["parameters"]
            else ""
        )
    ]
    for stage in found["stages"]:
        lines.append(
            f"  {stage['stage']}: {stage['examples']:,} examples, {stage['tokens'] / 1e6:,.1f} million tokens an epoch "
            f"x {stage['epochs']:g} ({stage['counted from']}), {stage['flop']:.2e} FLOP"
        )
    lines += [f"  not counted: {each}" for each in found["not counted"]]
    for device in found["devices"]:
        lines.append(
            f"{device['gpu']} x {device['count']}, {device['sharding']}: "
            + ("fits" if device["fits"] else "DOES NOT FIT")
        )
        for name, memory in device["memory"].items():
            parts = ", ".join(f"{part} {gib:.1f}" for part, gib in memory.items() if part != "total")
            lines.append(f"  {name}: {memory['total']:.1f} of {device['gib']:.1f} GiB each ({parts})")
        lines.append(f"  host memory while the base is loaded, if all are in one machine: {device['host gib']:.0f} GiB")
        hours = ", ".join(f"{name} {value:.1f}" for name, value in device["hours"].items())
        lines.append(
            f"  hours at {found['utilisation']:.0%} of the peak: {hours}; {device['gpu hours']:.1f} GPU-hours in all"
        )
    return lines
