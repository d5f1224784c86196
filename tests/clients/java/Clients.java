import com.rabbitmq.client.CancelCallback;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DeliverCallback;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadInfo;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** What an application does with RabbitMQ's Java client: publish, consume, get, and wait for a full queue. */
public class Clients {
  static final int MANY = 5000;
  static final int BOUND = 500;
  /** So that all of them together are more than sockets hold. */
  static final int SIZE = 10 * 1024;
  static final long PATIENCE = TimeUnit.SECONDS.toNanos(20);

  interface Condition {
    boolean holds() throws Exception;
  }

  public static void main(String[] arguments) {
    try {
      run(Integer.parseInt(arguments[0]));
    } catch (Throwable failure) {
      failure.printStackTrace();
      // The client's threads may still wait for the broker.
      System.exit(1);
    }
  }

  static void run(int port) throws Exception {
    ConnectionFactory factory = new ConnectionFactory();
    factory.setHost("127.0.0.1");
    factory.setPort(port);
    factory.setAutomaticRecoveryEnabled(false);
    Connection one = factory.newConnection();
    Connection other = factory.newConnection();
    publishesConsumesAndGets(one);
    pausesAndGoesOn(one, other);
    waitsForAFullQueue(one, other);
    check(one.isOpen() && other.isOpen(), "no connection is closed");
    one.close();
    other.close();
    System.out.println("java: 3 passed, 0 failed");
  }

  static void publishesConsumesAndGets(Connection connection) throws Exception {
    Channel channel = connection.createChannel();
    channel.queueDeclare("plain", true, false, false, null);
    channel.confirmSelect();
    for (int number = 0; number < 100; number++) {
      channel.basicPublish("", "plain", MessageProperties.PERSISTENT_TEXT_PLAIN, body(number, 10));
    }
    channel.waitForConfirmsOrDie(20_000);
    GetResponse got = channel.basicGet("plain", false);
    check(number(got.getBody()) == 0 && got.getMessageCount() == 99, "get brings the first one");
    check(!got.getEnvelope().isRedeliver(), "it comes for the first time");
    channel.basicNack(got.getEnvelope().getDeliveryTag(), false, true);
    BlockingQueue<Integer> taken = new LinkedBlockingQueue<>();
    channel.basicQos(10);
    DeliverCallback take = (tag, delivery) -> {
      channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
      taken.add(number(delivery.getBody()));
    };
    CancelCallback cancelled = tag -> taken.add(-1);
    String consumer = channel.basicConsume("plain", false, take, cancelled);
    for (int number = 0; number < 100; number++) {
      check(Integer.valueOf(number).equals(taken.poll(20, TimeUnit.SECONDS)), "message " + number + " in its turn");
    }
    channel.basicCancel(consumer);
    check(channel.basicGet("plain", true) == null, "nothing is left");
    channel.close();
  }

  /** Before the queue is full, channel.flow pauses the publisher; it goes on when there is room. */
  static void pausesAndGoesOn(Connection publishing, Connection consuming) throws Exception {
    Channel publisher = publishing.createChannel();
    Channel consumer = consuming.createChannel();
    declareBlocking(publisher, "paced");
    AtomicInteger sent = new AtomicInteger();
    List<Exception> failures = new ArrayList<>();
    // A few at a time, so that it is paused before there are more on their way than the queue has room for.
    Thread thread = publish(publisher, "paced", 2 * BOUND, 10, sent, failures);
    await("channel.flow pauses the publisher", () -> isPaused(thread));
    long ready = consumer.messageCount("paced");
    check(ready >= BOUND / 10 * 9 && ready < BOUND, "it is paused at nine tenths of the bound: " + ready);
    takeSlowly(consumer, "paced", 2 * BOUND);
    finish(thread, failures);
    check(sent.get() == 2 * BOUND && consumer.messageCount("paced") == 0, "all are sent once");
  }

  /** The publisher sends all that it may: confirms stay away while the queue is full, and every message arrives once. */
  static void waitsForAFullQueue(Connection publishing, Connection consuming) throws Exception {
    Channel publisher = publishing.createChannel();
    Channel consumer = consuming.createChannel();
    declareBlocking(publisher, "full");
    AtomicInteger sent = new AtomicInteger();
    List<Exception> failures = new ArrayList<>();
    Thread thread = publish(publisher, "full", MANY, MANY, sent, failures);
    // How far it comes depends on how much is on its way when channel.flow reaches it.
    await("the queue is full, or nearly", () -> consumer.messageCount("full") >= BOUND / 10 * 9);
    check(thread.isAlive(), "the publisher waits");
    takeSlowly(consumer, "full", MANY);
    finish(thread, failures);
    check(consumer.messageCount("full") == 0, "none comes twice");
  }

  static void declareBlocking(Channel channel, String queue) throws Exception {
    channel.queueDeclare(queue, true, false, false, Map.of("x-max-length", BOUND, "x-overflow", "block"));
    channel.confirmSelect();
  }

  /** Publishes numbers from a thread of its own, so many before it waits for their confirms. */
  static Thread publish(
      Channel channel, String queue, int count, int atOnce, AtomicInteger sent, List<Exception> failures) {
    Thread thread = new Thread(() -> {
      try {
        while (sent.get() < count) {
          channel.basicPublish("", queue, MessageProperties.PERSISTENT_TEXT_PLAIN, body(sent.get(), SIZE));
          if (sent.incrementAndGet() % atOnce == 0) channel.waitForConfirmsOrDie(60_000);
        }
      } catch (Exception failure) {
        failures.add(failure);
      }
    });
    thread.setDaemon(true);
    thread.start();
    return thread;
  }

  static void takeSlowly(Channel channel, String queue, int count) throws Exception {
    BlockingQueue<Integer> taken = new LinkedBlockingQueue<>();
    channel.basicQos(50);
    DeliverCallback take = (tag, delivery) -> {
      // Some 2,000 messages a second.
      if (number(delivery.getBody()) % 100 == 0) pause(50);
      channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
      taken.add(number(delivery.getBody()));
    };
    String consumer = channel.basicConsume(queue, false, take, tag -> taken.add(-1));
    for (int number = 0; number < count; number++) {
      check(Integer.valueOf(number).equals(taken.poll(20, TimeUnit.SECONDS)), "message " + number + " in its turn");
    }
    channel.basicCancel(consumer);
    check(taken.isEmpty(), "none comes twice");
  }

  static void finish(Thread publisher, List<Exception> failures) throws Exception {
    publisher.join(TimeUnit.NANOSECONDS.toMillis(PATIENCE));
    check(!publisher.isAlive() && failures.isEmpty(), "all are confirmed: " + failures);
  }

  /** Waits inside the client for channel.flow, and not in the socket. */
  static boolean isPaused(Thread thread) {
    // State and stack of the same moment.
    ThreadInfo info = ManagementFactory.getThreadMXBean().getThreadInfo(new long[] {thread.getId()}, false, false)[0];
    if (info == null || info.getThreadState() == Thread.State.RUNNABLE) return false;
    StackTraceElement[] stack = info.getStackTrace();
    return Arrays.stream(stack).anyMatch(frame -> frame.getMethodName().equals("basicPublish"))
        && Arrays.stream(stack).anyMatch(frame -> frame.getMethodName().equals("quiescingTransmit"))
        && Arrays.stream(stack).anyMatch(frame -> frame.getMethodName().startsWith("await") || frame.getMethodName().equals("wait"))
        && Arrays.stream(stack).noneMatch(frame -> frame.getClassName().contains("FrameHandler"));
  }

  static void await(String what, Condition condition) throws Exception {
    long deadline = System.nanoTime() + PATIENCE;
    while (!condition.holds()) {
      check(System.nanoTime() < deadline, what);
      pause(5);
    }
  }

  static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException interrupted) {
      throw new IllegalStateException(interrupted);
    }
  }

  static byte[] body(int number, int size) {
    return Arrays.copyOf((number + " ").getBytes(StandardCharsets.US_ASCII), size);
  }

  static int number(byte[] body) {
    String text = new String(body, StandardCharsets.US_ASCII);
    return Integer.parseInt(text.substring(0, text.indexOf(' ')));
  }

  static void check(boolean holds, String what) {
    if (!holds) throw new AssertionError(what);
  }
}
