import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseQueueAddress, whatIsSent } from '../../src/workers/address.ts';

const refused = (address: string, allowed?: string): string => {
  try {
    parseQueueAddress(address, '--workers', { allowedHost: allowed, what: whatIsSent.trainer });
  } catch (error) {
    return (error as Error).message;
  }
  return assert.fail(`${address} was accepted`);
};

describe('the address of a queue', () => {
  it('is a Redis server of this machine', () => {
    assert.deepEqual(parseQueueAddress('redis://localhost', '--queue'), {
      ...{ host: 'localhost', port: 6379, database: 0, tls: false },
      text: 'redis://localhost:6379',
    });
    assert.deepEqual(parseQueueAddress('rediss://[::1]:7000/3', '--queue'), {
      ...{ host: '::1', port: 7000, database: 3, tls: true },
      text: 'rediss://[::1]:7000/3',
    });
  });

  it('may be another machine if the user names it', () => {
    assert.equal(parseQueueAddress('redis://gpu.lan:6380', '--queue', { allowedHost: 'gpu.lan' }).host, 'gpu.lan');
    assert.match(
      refused('redis://gpu.lan:6380'),
      /^--workers would send prompts, completions, .* to gpu\.lan, .* add --send-code-to gpu\.lan\.$/,
    );
    assert.match(refused('redis://gpu.lan', 'cpu.lan'), /to allow that, add --send-code-to gpu\.lan/);
    assert.match(refused('redis://127.0.0.1', 'gpu.lan'), /is this machine, so leave out --send-code-to/);
  });

  it('must not have a password, which is never repeated', () => {
    for (const address of ['redis://:hunter2@localhost', 'redis://me:hunter2@localhost', 'redis://a@b:hunter2@[']) {
      const message = refused(address);
      assert.match(message, /set UNMASK_REDIS_USERNAME and UNMASK_REDIS_PASSWORD/);
      assert.doesNotMatch(message, /hunter2/);
    }
  });

  it('is refused if it is something else', () => {
    for (const address of [
      'localhost:6379',
      'http://localhost',
      'redis://',
      'redis://localhost/a',
      'redis://localhost?x=1',
    ])
      assert.match(refused(address), /give an address such as redis:\/\/127\.0\.0\.1:6379/);
  });
});
