// What an application does with amqplib: publish, consume, get, and wait for a full queue.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');
const amqp = require('amqplib');

const MANY = 5000;
const BOUND = 500;
// So that all of them together are more than sockets hold.
const SIZE = 10 * 1024;

const body = (number, size = 10) => Buffer.from(`${number} `.padEnd(size, '.'));
const number = (message) => Number.parseInt(message.content.toString('ascii', 0, 10), 10);

async function connect(port) {
  const connection = await amqp.connect(`amqp://127.0.0.1:${port}`);
  connection.on('error', (error) => assert.fail(error));
  return connection;
}

async function publishesConsumesAndGets(connection) {
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('plain');
  for (let next = 0; next < 100; next += 1) {
    channel.publish('', 'plain', body(next), { persistent: true });
  }
  await channel.waitForConfirms();
  const got = await channel.get('plain');
  assert.deepEqual([number(got), got.fields.messageCount, got.fields.redelivered], [0, 99, false]);
  channel.nack(got);
  await channel.prefetch(10);
  const taken = [];
  await new Promise((resolve, reject) => {
    const take = (message) => {
      if (message === null) {
        reject(new Error('the consumer is cancelled'));
        return;
      }
      channel.ack(message);
      taken.push(number(message));
      if (taken.length === 100) resolve();
    };
    channel.consume('plain', take, { consumerTag: 'taker' }).catch(reject);
  });
  assert.deepEqual(taken, [...taken.keys()]);
  await channel.cancel('taker');
  assert.equal(await channel.get('plain'), false);
  await channel.close();
}

// Its confirms stay away while the queue is full. amqplib cannot take channel.flow: that must not come.
async function waitsForAFullQueue(publishing, consuming) {
  const publisher = await publishing.createConfirmChannel();
  const consumer = await consuming.createChannel();
  await publisher.assertQueue('full', { arguments: { 'x-max-length': BOUND, 'x-overflow': 'block' } });
  let confirmed = 0;
  const all = (async () => {
    for (let next = 0; next < MANY; next += 1) {
      const confirm = (error) => {
        assert.equal(error, null);
        confirmed += 1;
      };
      if (!publisher.publish('', 'full', body(next, SIZE), { persistent: true }, confirm)) {
        await once(publisher, 'drain');
      }
    }
    await publisher.waitForConfirms();
  })();
  while ((await consumer.checkQueue('full')).messageCount < BOUND) await sleep(5);
  assert.ok(confirmed <= BOUND, `${confirmed} are confirmed`);

  const taken = [];
  await consumer.prefetch(50);
  const arrived = new Promise((resolve, reject) => {
    const take = async (message) => {
      if (message === null) {
        reject(new Error('the consumer is cancelled'));
        return;
      }
      // Slow: some 2,000 messages a second.
      if (number(message) % 100 === 0) await sleep(50);
      consumer.ack(message);
      taken.push(number(message));
      if (taken.length === MANY) resolve();
    };
    consumer.consume('full', take).catch(reject);
  });
  await arrived;
  await all;
  assert.equal(confirmed, MANY);
  taken.sort((one, other) => one - other);
  assert.deepEqual(taken, [...taken.keys()]);
  assert.equal((await consumer.checkQueue('full')).messageCount, 0);
}

async function main(port) {
  const one = await connect(port);
  const other = await connect(port);
  await publishesConsumesAndGets(one);
  await waitsForAFullQueue(one, other);
  await one.close();
  await other.close();
  console.log('amqplib: 2 passed, 0 failed');
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
