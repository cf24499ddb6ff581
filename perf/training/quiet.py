"""One epoch, and nothing beside training: what the trainers of TRL and of LLaMA-Factory are told alike."""

import torch

QUIET = {
    "num_train_epochs": 1,
    "save_strategy": "no",
    "logging_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
    "use_cpu": not torch.cuda.is_available(),
    "dataloader_pin_memory": torch.cuda.is_available(),
}
