# What an application does with Bunny: publish, consume, get, and wait for a full queue.

require 'bunny'
require 'timeout'

MANY = 5000
BOUND = 500
# So that all of them together are more than sockets hold.
SIZE = 10 * 1024
PATIENCE = 20

def check(holds, what)
  raise what unless holds
end

def connect(port)
  Bunny.new(host: '127.0.0.1', port: port, automatically_recover: false, log_level: :fatal).start
end

def body(number, size = 10)
  "#{number} ".ljust(size, '.')
end

def publishes_consumes_and_gets(connection)
  channel = connection.create_channel
  queue = channel.queue('plain', durable: true)
  channel.confirm_select
  100.times { |number| queue.publish(body(number), persistent: true) }
  check channel.wait_for_confirms, 'all are confirmed'
  info, _, got = queue.pop(manual_ack: true)
  check got.to_i.zero? && !info.redelivered?, 'get brings the first one'
  check queue.message_count == 99, 'the others are ready'
  channel.nack(info.delivery_tag, false, true)
  taken = Queue.new
  channel.prefetch(10)
  consumer = queue.subscribe(manual_ack: true) do |delivery, _, content|
    channel.ack(delivery.delivery_tag)
    taken << content.to_i
  end
  Timeout.timeout(PATIENCE) { 100.times { |number| check taken.pop == number, "message #{number} in its turn" } }
  consumer.cancel
  check queue.pop.first.nil?, 'nothing is left'
  channel.close
end

# Its confirms stay away while the queue is full. Bunny's reader breaks on channel.flow: that must not come.
def waits_for_a_full_queue(publishing, consuming)
  publisher = publishing.create_channel
  watcher = consuming.create_channel
  full = publisher.queue('full', durable: true, arguments: { 'x-max-length' => BOUND, 'x-overflow' => 'block' })
  publisher.confirm_select
  thread = Thread.new do
    MANY.times { |number| full.publish(body(number, SIZE), persistent: true) }
    publisher.wait_for_confirms
  end
  queue = watcher.queue('full', passive: true)
  Timeout.timeout(PATIENCE) { sleep 0.005 until queue.message_count == BOUND }
  check thread.alive?, 'the publisher waits'

  taken = Queue.new
  watcher.prefetch(50)
  queue.subscribe(manual_ack: true) do |delivery, _, content|
    # Slow: some 2,000 messages a second.
    sleep 0.05 if (content.to_i % 100).zero?
    watcher.ack(delivery.delivery_tag)
    taken << content.to_i
  end
  Timeout.timeout(2 * PATIENCE) { MANY.times { |number| check taken.pop == number, "message #{number} in its turn" } }
  check thread.value, 'all are confirmed'
  check taken.empty? && queue.message_count.zero?, 'none comes twice'
end

one = connect(ARGV.fetch(0).to_i)
other = connect(ARGV.fetch(0).to_i)
publishes_consumes_and_gets(one)
waits_for_a_full_queue(one, other)
check one.open? && other.open?, 'no connection is closed'
[one, other].each(&:close)
puts 'bunny: 2 passed, 0 failed'
