require "socksify"
require "uri"

host, port, url = ARGV
uri = URI(url)
Socksify.proxy(host, port.to_i) do
  socket = TCPSocket.new(uri.host, uri.port)
  socket.write("GET / HTTP/1.0\r\nHost: #{uri.host}\r\n\r\n")
  puts socket.read
end
