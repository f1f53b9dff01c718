import java.sql.DriverManager;

/** Makes one query to a PostgreSQL database over JDBC; the proxy is set by options of the virtual machine. */
public class Query {
  public static void main(String[] args) throws Exception {
    try (var connection = DriverManager.getConnection(args[0]);
        var answer = connection.createStatement().executeQuery("SELECT 'answer ' || 6 * 7")) {
      answer.next();
      System.out.println(answer.getString(1));
    }
  }
}
