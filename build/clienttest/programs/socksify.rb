require "socksify/http"

host, port, url = ARGV
uri = URI(url)
Net::HTTP.SOCKSProxy(host, port.to_i).start(uri.host, uri.port) { |http| puts http.get(uri).body }
