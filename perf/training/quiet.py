"""One epoch, and nothing beside training: what the trainers of TRL and of LLaMA-Factory are told alike."""

QUIET = {
    "num_train_epochs": 1,
    "save_strategy": "no",
    "logging_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
    "use_cpu": True,
    "dataloader_pin_memory": False,
}
