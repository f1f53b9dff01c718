import java.sql.DriverManager;

/** Asks a PostgreSQL database one question over JDBC; the proxy is the virtual machine's. */
public class Query {
  public static void main(String[] args) throws Exception {
    try (var connection = DriverManager.getConnection(args[0]);
        var answer = connection.createStatement().executeQuery("SELECT 'answer ' || 6 * 7")) {
      answer.next();
      System.out.println(answer.getString(1));
    }
  }
}
