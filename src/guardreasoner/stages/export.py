"""From the trained checkpoint to the folder that the embedded engine opens."""

from __future__ import annotations

import shutil

from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Reads sft/model/, writes export/ (model.onnx, tokenizer.json, config.json)."""
    if (folder.export / "model.onnx").is_file():
        return
    from guardreasoner.training.export import export

    partial = folder.root / "export.partial"
    shutil.rmtree(partial, ignore_errors=True)
    export(folder.sft / "model", partial, name=recipe.export.name, precision=recipe.export.precision)
    partial.replace(folder.export)
    folder.note("export", {"bytes": (folder.export / "model.onnx").stat().st_size})
