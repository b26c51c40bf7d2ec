import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ensureOnSystem } from '../../scripts/testing/system-packages.ts';

const here = { what: 'a clock', debian: 'clock', present: () => true };
const missing = { what: 'a lantern', debian: 'lantern', present: () => false };

describe('the system requirements of tests', () => {
  it('need no installation if they are met', async () => {
    const lines: string[] = [];
    await ensureOnSystem([here], (line) => lines.push(line));
    assert.deepEqual(lines, []);
  });

  it('are named with instructions if they cannot be installed automatically', async (t) => {
    const { PATH } = process.env;
    t.after(() => {
      process.env.PATH = PATH;
    });
    // No apt-get.
    process.env.PATH = '/nowhere';
    await assert.rejects(
      ensureOnSystem([here, missing], () => {}),
      /^Error: These tests need a lantern: install it \(on Debian and Ubuntu: apt-get install lantern\)\.$/,
    );
  });
});
