// Streams JSON into an inbox, a piece at a time: java -cp postgresql.jar Load.java INBOX [FILE or URL].
//
// Without a file it reads standard input. Where to is told by PGHOST, PGPORT, PGDATABASE, PGUSER and PGPASSWORD, as psql
// is told, but that the driver knows no Unix sockets. Needs Java 17 and PostgreSQL's JDBC driver.

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.Properties;
import java.util.stream.Collectors;

import org.postgresql.PGConnection;
import org.postgresql.copy.CopyIn;

public class Load {
    /** Bytes that are read, and sent, at a time. */
    static final int PIECE = 1 << 16;

    public static void main(String[] arguments) throws IOException, SQLException {
        String inbox = arguments[0];
        String place = arguments.length > 1 ? arguments[1] : "-";
        try (InputStream source = open(place); Connection connection = connect()) {
            send(source, inbox, connection);
            String counts = "SELECT received, inserted, updated, rejected FROM last_load()";
            try (var row = connection.createStatement().executeQuery(counts)) {
                Object[] told = {0L, 0L, 0L, 0L};
                // Where nothing has come, nothing was loaded.
                if (row.next()) for (int column = 0; column < told.length; column++) told[column] = row.getLong(column + 1);
                System.out.printf("%d received, %d inserted, %d updated, %d rejected%n", told);
            }
        }
    }

    static InputStream open(String place) throws IOException {
        if (place.equals("-")) return System.in;
        return place.contains("://") ? URI.create(place).toURL().openStream() : Files.newInputStream(Path.of(place));
    }

    static Connection connect() throws SQLException {
        String user = variable("PGUSER", System.getProperty("user.name"));
        String database = variable("PGDATABASE", user);
        Properties properties = new Properties();
        properties.setProperty("user", user);
        properties.setProperty("password", variable("PGPASSWORD", ""));
        String server = variable("PGHOST", "localhost") + ":" + variable("PGPORT", "5432");
        return DriverManager.getConnection("jdbc:postgresql://" + server + "/" + database, properties);
    }

    static String variable(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    /** Sends the bytes as one COPY. Where reading fails, the COPY fails, and nothing of it stays. */
    static void send(InputStream source, String inbox, Connection connection) throws IOException, SQLException {
        String name = Arrays.stream(inbox.split("\\.")).map(Load::quoted).collect(Collectors.joining("."));
        CopyIn copy = connection.unwrap(PGConnection.class).getCopyAPI()
            .copyIn("COPY " + name + " (chunk) FROM STDIN (FORMAT binary)");
        try {
            write(copy, ByteBuffer.allocate(19).put("PGCOPY\n\u00ff\r\n".getBytes("ISO-8859-1")));
            byte[] piece;
            while ((piece = source.readNBytes(PIECE)).length > 0) {
                // A row of one column, and its length.
                write(copy, ByteBuffer.allocate(6 + piece.length).putShort((short) 1).putInt(piece.length).put(piece));
            }
            write(copy, ByteBuffer.allocate(2).putShort((short) -1));
            copy.endCopy();
        } finally {
            if (copy.isActive()) copy.cancelCopy();
        }
    }

    static String quoted(String name) {
        return '"' + name.replace("\"", "\"\"") + '"';
    }

    static void write(CopyIn copy, ByteBuffer bytes) throws SQLException {
        copy.writeToCopy(bytes.array(), 0, bytes.capacity());
    }
}
