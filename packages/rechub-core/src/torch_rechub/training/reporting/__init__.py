"""What a trainer records: hyper-parameters, metrics, and on request plots and statistics."""
