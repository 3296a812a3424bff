# A TLS server by Ruby's openssl: the context first, then a fork for each worker.
#
#     forking.rb CERTIFICATE KEY WORKERS PORT

require 'openssl'
require 'socket'

certificate, key, workers, port = ARGV
context = OpenSSL::SSL::SSLContext.new
context.cert = OpenSSL::X509::Certificate.new(File.read(certificate))
context.key = OpenSSL::PKey.read(File.read(key))
context.options |= OpenSSL::SSL::OP_NO_TICKET
context.session_id_context = 'forking.rb'
context.session_cache_mode = OpenSSL::SSL::SSLContext::SESSION_CACHE_SERVER
context.setup
listener = TCPServer.new('127.0.0.1', port.to_i)

children = Array.new(workers.to_i) do
  fork do
    loop do
      connection = listener.accept
      tls = OpenSSL::SSL::SSLSocket.new(connection, context).accept
      tls.readpartial(100)
      tls.write('hello')
      # Says goodbye, and closes the socket too.
      tls.sync_close = true
      tls.close
    end
  end
end

trap('TERM') { children.each { |child| Process.kill('TERM', child) } }
Process.waitall
