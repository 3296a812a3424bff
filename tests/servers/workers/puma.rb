# On a busy machine a worker now and then does not end by itself, without sslcache, too. puma then ends it after half a minute, which
# is when the tests give up.
worker_shutdown_timeout 5
