import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;

/** Fetches a page with the API that the first argument names; the proxy is set by options of the virtual machine. */
public class Fetch {
  public static void main(String[] args) throws Exception {
    URI uri = URI.create(args[1]);
    switch (args[0]) {
      case "url" -> {
        try (InputStream in = uri.toURL().openStream()) {
          in.transferTo(System.out);
        }
      }
      case "client" -> System.out.println(HttpClient.newHttpClient()
          .send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString()).body());
      case "socket" -> {
        try (Socket socket = new Socket()) {
          socket.connect(InetSocketAddress.createUnresolved(uri.getHost(), 80));
          socket.getOutputStream().write(("GET / HTTP/1.0\r\nHost: " + uri.getHost() + "\r\n\r\n").getBytes(StandardCharsets.US_ASCII));
          socket.getInputStream().transferTo(System.out);
        }
      }
      default -> throw new IllegalArgumentException(args[0]);
    }
  }
}
