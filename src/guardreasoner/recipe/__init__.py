"""One TOML file = one run: its sections, and from the file to a validated `Recipe`."""

from guardreasoner.recipe.data import DataSection, FileSource
from guardreasoner.recipe.loading import EvaluateSection, Recipe, load_recipe
from guardreasoner.recipe.teaching import SynthesizeSection, TeacherSection
from guardreasoner.recipe.training import (
    DPOSection,
    EnsembleSection,
    LoraSection,
    MineSection,
    ModelSection,
    Optimisation,
    PretrainSection,
    QuantizeSection,
    SFTSection,
    SoupGuard,
    SoupSection,
    TokenizerSection,
)

__all__ = [
    "DPOSection",
    "DataSection",
    "EnsembleSection",
    "EvaluateSection",
    "FileSource",
    "LoraSection",
    "MineSection",
    "ModelSection",
    "Optimisation",
    "PretrainSection",
    "QuantizeSection",
    "Recipe",
    "SFTSection",
    "SoupGuard",
    "SoupSection",
    "SynthesizeSection",
    "TeacherSection",
    "TokenizerSection",
    "load_recipe",
]
