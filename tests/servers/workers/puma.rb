# puma ends workers that do not go by themselves, now and then one of a busy machine does not, and as late as the tests lose patience.
worker_shutdown_timeout 5
