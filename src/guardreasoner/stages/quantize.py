"""From the trained checkpoint to the folder that the embedded engine opens."""

from __future__ import annotations

import shutil

from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Reads the last training stage's model/, writes quantize/ (model.onnx, tokenizer.json, config.json).

    A guard trained from a `model.base` is opened by the engine `hf` as it is.
    """
    if recipe.model.base is not None or (folder.quantized / "model.onnx").is_file():
        return
    from guardreasoner.training.export import export

    partial = folder.root / "quantize.partial"
    shutil.rmtree(partial, ignore_errors=True)
    export(folder.trained(recipe), partial, name=recipe.quantize.name, precision=recipe.quantize.precision)
    partial.replace(folder.quantized)
    folder.note("quantize", {"bytes": (folder.quantized / "model.onnx").stat().st_size})
