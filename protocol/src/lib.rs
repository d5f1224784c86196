//! AMQP 0-9-1 bytes to values and back, as RabbitMQ and its clients speak it. No state, no IO.
