# A Rack application, for puma.
run ->(_) { [200, { 'Content-Type' => 'text/plain' }, ['hello']] }
