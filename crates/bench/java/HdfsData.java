// The caller of HDFS for `bench data` and `bench small`: its own client, so many threads, one process.
//
// Reads a line for each measurement, `OPERATION REPLICATION FILES THREADS BYTES DIRECTORY`, does it, and answers with a line,
// `done FILES SECONDS` or `failed WHY`. BYTES is the length of each file.

import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.URI;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.DFSClient;

public class HdfsData {
  static final int SLICE = 1 << 20;
  static final long BLOCK = 64L << 20;

  static DFSClient client;
  static final byte[] payload = new byte[SLICE];

  public static void main(String[] arguments) throws Exception {
    client = new DFSClient(new URI(arguments[0]), new Configuration());
    new Random(1).nextBytes(payload);
    System.out.println("ready");
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] words = line.split(" ");
      try {
        System.out.println(measure(words[0], Short.parseShort(words[1]), Integer.parseInt(words[2]),
            Integer.parseInt(words[3]), Long.parseLong(words[4]), words[5]));
      } catch (Exception error) {
        System.out.println("failed " + String.valueOf(error).replace('\n', ' '));
      }
    }
    System.exit(0);
  }

  static String measure(String operation, short replication, int files, int many, long bytes, String directory)
      throws Exception {
    AtomicReference<Exception> failure = new AtomicReference<>();
    AtomicInteger next = new AtomicInteger();
    Thread[] threads = new Thread[many];
    long start = System.nanoTime();
    for (int thread = 0; thread < many; thread++) {
      threads[thread] = new Thread(() -> {
        try {
          for (int file = next.getAndIncrement(); file < files; file = next.getAndIncrement()) {
            String path = directory + "/" + file;
            switch (operation) {
              case "write" -> write(path, replication, bytes);
              case "read" -> read(path, bytes);
              default -> client.delete(path, false);
            }
          }
        } catch (Exception error) {
          failure.set(error);
        }
      });
      threads[thread].start();
    }
    for (Thread thread : threads) {
      thread.join();
    }
    if (failure.get() != null) {
      throw failure.get();
    }
    return "done " + files + " " + (System.nanoTime() - start) / 1e9;
  }

  static void write(String path, short replication, long bytes) throws Exception {
    try (OutputStream out = client.create(path, true, replication, BLOCK)) {
      for (long left = bytes; left > 0; left -= SLICE) {
        out.write(payload, 0, (int) Math.min(left, SLICE));
      }
    }
  }

  static void read(String path, long bytes) throws Exception {
    byte[] buffer = new byte[SLICE];
    long received = 0;
    try (InputStream in = client.open(path)) {
      for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
        received += count;
      }
    }
    if (received != bytes) {
      throw new Exception(received + " of " + bytes + " bytes came from " + path);
    }
  }
}
