// The caller of HDFS for `bench metadata`: its own client protocol, many threads, one process.
//
// Reads a line for each measurement, `OPERATION CALLERS SECONDS DIRECTORY`, does it, and answers with a line,
// `done COUNT SECONDS` or `failed WHY`. What `create` has made, `close`, `rename` and `delete` go through once each.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.URI;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.crypto.CryptoProtocolVersion;
import org.apache.hadoop.fs.CreateFlag;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.DFSClient;
import org.apache.hadoop.hdfs.protocol.ClientProtocol;
import org.apache.hadoop.io.EnumSetWritable;

public class HdfsMetadata {
  static final String CLIENT = "bench-metadata";
  static final int FILES = 200;
  static final int LISTED = 100;
  static final FsPermission FILE = new FsPermission((short) 0644);
  static final FsPermission DIRECTORY = new FsPermission((short) 0755);

  static ClientProtocol node;
  // For each caller, the ids of the files that it has created.
  static final List<List<Long>> created = new ArrayList<>();

  public static void main(String[] arguments) throws Exception {
    Configuration configuration = new Configuration();
    DFSClient client = new DFSClient(new URI(arguments[0]), configuration);
    node = client.getNamenode();
    prepare(client);
    System.out.println("ready");
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] words = line.split(" ");
      try {
        System.out.println(measure(words[0], Integer.parseInt(words[1]), Double.parseDouble(words[2]), words[3]));
      } catch (Exception error) {
        System.out.println("failed " + String.valueOf(error).replace('\n', ' '));
      }
    }
    System.exit(0);
  }

  static void prepare(DFSClient client) throws Exception {
    byte[] payload = new byte[4096];
    for (int file = 0; file < FILES; file++) {
      try (OutputStream out = client.create("/read/" + file, true)) {
        out.write(payload);
      }
    }
    for (int entry = 0; entry < LISTED; entry++) {
      node.mkdirs("/list/" + entry, DIRECTORY, true);
    }
  }

  static String measure(String operation, int callers, double seconds, String directory) throws Exception {
    while (created.size() < callers) {
      created.add(new ArrayList<>());
    }
    if (operation.equals("begin")) {
      for (int caller = 0; caller < callers; caller++) {
        created.get(caller).clear();
        node.mkdirs(directory + "/" + caller, DIRECTORY, true);
      }
      return "done 0 0";
    }
    if (operation.equals("end")) {
      node.delete(directory, true);
      return "done 0 0";
    }
    AtomicReference<Exception> failure = new AtomicReference<>();
    long[] counts = new long[callers];
    Thread[] threads = new Thread[callers];
    long start = System.nanoTime();
    long end = start + (long) (seconds * 1e9);
    for (int caller = 0; caller < callers; caller++) {
      int number = caller;
      threads[caller] = new Thread(() -> {
        try {
          counts[number] = one(operation, directory + "/" + number, created.get(number), end);
        } catch (Exception error) {
          failure.set(error);
        }
      });
      threads[caller].start();
    }
    for (Thread thread : threads) {
      thread.join();
    }
    double took = (System.nanoTime() - start) / 1e9;
    if (failure.get() != null) {
      throw failure.get();
    }
    long count = 0;
    for (long each : counts) {
      count += each;
    }
    return "done " + count + " " + took;
  }

  static long one(String operation, String own, List<Long> files, long end) throws Exception {
    boolean consumes = operation.equals("close") || operation.equals("rename") || operation.equals("delete");
    long all = consumes ? files.size() : Long.MAX_VALUE;
    long count = 0;
    while (count < all && (consumes || System.nanoTime() < end)) {
      call(operation, own, files, count);
      count++;
    }
    return count;
  }

  static void call(String operation, String own, List<Long> files, long number) throws Exception {
    String file = own + "/f" + number;
    String renamed = own + "/r" + number;
    String read = "/read/" + ThreadLocalRandom.current().nextInt(FILES);
    switch (operation) {
      case "ping" -> node.getServerDefaults();
      case "stat" -> require(node.getFileInfo(read) != null, read);
      case "open" -> require(node.getBlockLocations(read, 0, Long.MAX_VALUE).locatedBlockCount() == 1, read);
      case "list" -> require(node.getListing("/list", new byte[0], false).getPartialListing().length == LISTED, "/list");
      case "mkdir" -> require(node.mkdirs(own + "/d" + number, DIRECTORY, false), own);
      case "create" -> files.add(node.create(file, FILE, CLIENT, new EnumSetWritable<>(EnumSet.of(CreateFlag.CREATE)),
          false, (short) 3, 64L << 20, CryptoProtocolVersion.supported()).getFileId());
      case "close" -> require(node.complete(file, CLIENT, null, files.get((int) number)), file);
      case "rename" -> require(node.rename(file, renamed), file);
      case "delete" -> require(node.delete(renamed, false), renamed);
      default -> throw new IllegalArgumentException(operation);
    }
  }

  static void require(boolean right, String path) {
    if (!right) {
      throw new IllegalStateException("refused: " + path);
    }
  }
}
