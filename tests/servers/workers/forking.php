<?php
// A TLS server by PHP's streams, which make a context for each connection, and a fork for each worker.
//
//     forking.php CERTIFICATE KEY WORKERS PORT

[, $certificate, $key, $workers, $port] = $argv;
$context = stream_context_create(['ssl' => [
    'local_cert' => $certificate,
    'local_pk' => $key,
    'no_ticket' => true,
    // PHP asks clients for certificates unless told not to.
    'verify_peer' => false,
]]);
$listener = stream_socket_server(
    "tls://127.0.0.1:$port",
    $error,
    $reason,
    STREAM_SERVER_BIND | STREAM_SERVER_LISTEN,
    $context
);

$children = [];
for ($made = 0; $made < $workers; $made++) {
    $child = pcntl_fork();
    if ($child === 0) {
        while (true) {
            $connection = stream_socket_accept($listener, -1);
            fread($connection, 100);
            fwrite($connection, 'hello');
            fclose($connection);
        }
    }
    $children[] = $child;
}

// Blocked only now: the workers end by it.
pcntl_sigprocmask(SIG_BLOCK, [SIGTERM]);
pcntl_sigwaitinfo([SIGTERM]);
foreach ($children as $child) {
    posix_kill($child, SIGTERM);
    pcntl_waitpid($child, $status);
}
