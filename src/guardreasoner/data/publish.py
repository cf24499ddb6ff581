"""From an exported file or folder to a data set repository on the Hugging Face hub, with its card, in one commit."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module  # huggingface_hub comes with datasets, and loads only where something is published
from pathlib import Path
from typing import Any

from guardreasoner.errors import InputError, MissingExtra


def publish(files: Mapping[str, Path], card: str, repository: str, *, private: bool) -> str:
    """Make the repository if it is not there, and add `files` (path there -> path here) and the card; its address.

    Raises:
        InputError: the hub refused or could not be reached, or no token is there.
        MissingExtra: huggingface_hub is not installed.
    """
    hub: Any = load_hub()
    check_name(hub, repository)
    api = hub.HfApi()
    add = hub.CommitOperationAdd
    operations = [add(path_in_repo=there, path_or_fileobj=str(path)) for there, path in files.items()]
    operations.append(add(path_in_repo="README.md", path_or_fileobj=card.encode()))
    try:
        address = api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        if private and not api.dataset_info(repository).private:
            raise InputError(f"{repository} is there already and is public; nothing was published, the export is kept")
        api.create_commit(
            repository, operations, repo_type="dataset", commit_message="Reasoning data made with guardreasoner"
        )
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - its HTTP library is requests, httpx or httpx2, by its version
        raise _sentence(hub, error, repository) from None
    return str(address)


def _sentence(hub: Any, error: Exception, repository: str) -> Exception:
    """What went wrong, for people; a defect stays as it is."""
    status: int | None = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403) or isinstance(error, hub.errors.LocalTokenNotFoundError):
        return InputError(
            f"{repository}: the hub refused: log in with `hf auth login` or set HF_TOKEN; the export is kept"
        )
    said = (str(error).splitlines() or [type(error).__name__])[0]
    if status is not None:
        return InputError(f"{repository}: the hub refused: {said}; the export is kept")
    if isinstance(error, OSError) or type(error).__module__.split(".")[0] in ("httpx", "httpx2", "requests"):
        return InputError(f"{repository}: the hub could not be reached: {said}; the export is kept")
    return error


def load_hub() -> Any:
    """The library huggingface_hub, whose lazy parts a type checker cannot follow."""
    try:
        import_module("huggingface_hub.errors")
        import_module("huggingface_hub.utils")
        return import_module("huggingface_hub")
    except ImportError:
        raise MissingExtra("publishing on the hub", "data") from None


def check_name(hub: Any, repository: str) -> None:
    """InputError for what can be no repository, before anything is written."""
    try:
        hub.utils.validate_repo_id(repository)
    except hub.errors.HFValidationError:
        raise InputError(f"--push-to-hub {repository}: expected NAME or OWNER/NAME") from None
